"""One page, the package's own addresses, and where Django sends a browser that signed out."""

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.urls import include, path


def page(request: HttpRequest) -> JsonResponse:
    """Tell who is signed in."""
    user: Any = request.user
    if not user.is_authenticated:
        return JsonResponse({"signed_in": False})
    renewed_until = request.session["oidc_id_token_expiration"]
    return JsonResponse(
        {
            "signed_in": True,
            "sub": user.username,
            "name": f"{user.first_name} {user.last_name}",
            "session_until": renewed_until,
        }
    )


def end_session_url(request: HttpRequest) -> str:
    """Return where Django sends the browser after it signed out here."""
    query = urlencode(
        {
            "id_token_hint": request.session["oidc_id_token"],
            "post_logout_redirect_uri": f"{settings.SITE}/",
        }
    )
    return f"{settings.ISSUER}/end-session?{query}"


urlpatterns = [path("", page), path("oidc/", include("mozilla_django_oidc.urls"))]
