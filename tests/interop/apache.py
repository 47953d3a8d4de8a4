"""An Apache of a test's own, whose pages Debian's `mod_auth_openidc` protects."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.ports import free_port
from tests.interop.conftest import wait_for

PROGRAM = Path("/usr/sbin/apache2")
MODULES = Path("/usr/lib/apache2/modules")
MODULE = MODULES / "mod_auth_openidc.so"

_UNPRIVILEGED = "www-data"
_STOP_SECONDS = 30

# The page tells what Apache tells an application behind it: its environment.
_PAGE = "<html><body><h1>Protected</h1><pre><!--#printenv --></pre></body></html>\n"

_CONFIGURATION = """\
ServerRoot {folder}
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
LogLevel warn auth_openidc:info
DefaultRuntimeDir {folder}
Mutex file:{folder} default
KeepAlive Off

LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authn_core_module {modules}/mod_authn_core.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule authz_user_module {modules}/mod_authz_user.so
LoadModule mime_module {modules}/mod_mime.so
LoadModule include_module {modules}/mod_include.so
LoadModule auth_openidc_module {modules}/mod_auth_openidc.so

StartServers 1
ServerLimit 2
ThreadsPerChild 8
MaxRequestWorkers 16

TypesConfig /dev/null
DocumentRoot {folder}/pages
<Directory {folder}/pages>
    Options +Includes
    AddType text/html .html
    AddOutputFilter INCLUDES .html
    Require all granted
</Directory>

OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCRedirectURI {url}/protected/callback
OIDCCryptoPassphrase for-this-test-only
OIDCCacheType shm
OIDCPKCEMethod S256
OIDCRemoteUserClaim sub
{settings}

<Location /protected>
    AuthType openid-connect
    Require valid-user
</Location>
"""


@dataclass(frozen=True)
class Apache:
    """A running Apache."""

    url: str
    log: Path

    @property
    def page(self) -> str:
        """The page that only a person who signed in sees."""
        return f"{self.url}/protected/page.html"

    @property
    def callback(self) -> str:
        """Where Civitas sends browsers, and logout tokens, to."""
        return f"{self.url}/protected/callback"


@contextmanager
def apache_folder() -> Iterator[Path]:
    """Make a folder that the unprivileged server can reach; pytest's can't be, as root."""
    with tempfile.TemporaryDirectory(prefix="civitas-apache-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "pages" / "protected").mkdir(parents=True)
        (folder / "pages" / "index.html").write_text("Anybody may see this.\n")
        (folder / "pages" / "protected" / "page.html").write_text(_PAGE)
        yield folder


@contextmanager
def running_apache(
    folder: Path, issuer: str, settings: Mapping[str, str], *, port: int | None = None
) -> Iterator[Apache]:
    """Run Apache in the foreground until the end of the block.

    Args:
        folder: From `apache_folder`.
        issuer: Where its people sign in.
        settings: Directives of mod_auth_openidc, besides those that are always set.
        port: Where it listens; a free one otherwise.
    """
    port = port or free_port()
    apache = Apache(f"http://127.0.0.1:{port}", folder / "error.log")
    configuration = folder / "apache.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            folder=folder,
            port=port,
            modules=MODULES,
            issuer=issuer,
            url=apache.url,
            settings="\n".join(f"{name} {value}" for name, value in settings.items()),
        )
    )
    user = None
    if os.getuid() == 0:
        user = pwd.getpwnam(_UNPRIVILEGED).pw_name
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, user)
    with (
        (folder / "output.log").open("wb") as output,
        subprocess.Popen(
            [PROGRAM, "-D", "FOREGROUND", "-f", configuration],
            stdout=output,
            stderr=subprocess.STDOUT,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            env={},
        ) as process,
    ):
        try:
            wait_for(f"{apache.url}/index.html", folder / "output.log", process)
            yield apache
        finally:
            process.terminate()
            process.wait(_STOP_SECONDS)
