"""Who a person is: known by `sub`, instead of by e-mail as the package's own backend has it."""

from typing import Any

from mozilla_django_oidc.auth import OIDCAuthenticationBackend


class BySub(OIDCAuthenticationBackend):  # type: ignore[misc]  # it has no types
    """Knows people by `sub`; remembers what they are called."""

    def filter_users_by_claims(self, claims: dict[str, Any]) -> Any:  # noqa: ANN401
        return self.UserModel.objects.filter(username=claims["sub"])

    def create_user(self, claims: dict[str, Any]) -> Any:  # noqa: ANN401
        user = self.UserModel.objects.create_user(claims["sub"])
        return self.update_user(user, claims)

    def update_user(self, user: Any, claims: dict[str, Any]) -> Any:  # noqa: ANN401
        user.first_name, user.last_name = claims["given_name"], claims["family_name"]
        user.save()
        return user
