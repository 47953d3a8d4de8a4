"""Proxies that end TLS, ask for a client's certificate, and say to us which one it was.

The files are as small as they can be; what they say of certificates is what docs/conformance.md
tells an operator to write.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from string import Template

from tests.interop.apache import MODULES
from tests.interop.apache import PROGRAM as APACHE
from tests.interop.conftest import wait_for_port

_STOP_SECONDS = 30
_MODULES = "\n".join(
    f"LoadModule {name}_module {MODULES}/mod_{name}.so"
    for name in ("mpm_event", "authz_core", "ssl", "proxy", "proxy_http", "headers")
)

CONFIGURATIONS = {
    "apache": Template(f"""\
ServerRoot $folder
ServerName localhost
Listen 127.0.0.1:$port
PidFile $folder/apache.pid
ErrorLog $folder/error.log
DefaultRuntimeDir $folder
Mutex file:$folder default
{_MODULES}
SSLEngine on
SSLCertificateFile $folder/server.pem
SSLVerifyClient optional_no_ca
ProxyPreserveHost On
RequestHeader unset Client-Cert-Chain
RequestHeader set Client-Cert "expr=%{{escape:%{{SSL_CLIENT_CERT}}}}"
ProxyPass / http://127.0.0.1:$backend/
"""),
    "caddy": Template("""\
{
	admin off
	auto_https off
	storage file_system $folder
}
https://localhost:$port {
	tls $folder/server.pem $folder/server.pem {
		client_auth {
			mode request
		}
	}
	reverse_proxy 127.0.0.1:$backend {
		header_up -Client-Cert-Chain
		header_up Client-Cert ":{tls_client_certificate_der_base64}:"
	}
}
"""),
    "nginx": Template("""\
daemon off;
pid $folder/nginx.pid;
error_log $folder/error.log;
events {}
http {
	access_log off;
	client_body_temp_path $folder;
	proxy_temp_path $folder;
	fastcgi_temp_path $folder;
	uwsgi_temp_path $folder;
	scgi_temp_path $folder;
	server {
		listen 127.0.0.1:$port ssl;
		ssl_certificate $folder/server.pem;
		ssl_certificate_key $folder/server.pem;
		ssl_verify_client optional_no_ca;
		location / {
			proxy_pass http://127.0.0.1:$backend;
			proxy_set_header Host $$http_host;
			proxy_set_header Client-Cert $$ssl_client_escaped_cert;
			proxy_set_header Client-Cert-Chain "";
		}
	}
}
"""),
    "haproxy": Template("""\
defaults
	mode http
	timeout client 10s
	timeout connect 10s
	timeout server 10s
frontend mtls
	bind 127.0.0.1:$port ssl crt $folder/server.pem verify optional \
ca-file $folder/server.pem ca-ignore-err all crt-ignore-err all
	http-request del-header Client-Cert
	http-request del-header Client-Cert-Chain
	http-request set-header Client-Cert :%[ssl_c_der,base64]: if { ssl_c_used }
	default_backend civitas
backend civitas
	server civitas 127.0.0.1:$backend
"""),
}  # fmt: skip

_ARGUMENTS = {
    "apache": ("-D", "FOREGROUND", "-f"),
    "caddy": ("run", "--adapter", "caddyfile", "--config"),
    "nginx": ("-e", "stderr", "-c"),
    "haproxy": ("-db", "-f"),
}


def program(name: str) -> str | None:
    """Return where a proxy is, if it is here."""
    path = os.pathsep.join([os.environ["PATH"], str(APACHE.parent)])
    return shutil.which(APACHE.name if name == "apache" else name, path=path)


@contextmanager
def running_proxy(name: str, folder: Path, *, port: int, backend: int) -> Iterator[None]:
    """Run a proxy until the end of the block; `server.pem` in its folder is its certificate."""
    configuration = folder / f"{name}.conf"
    configuration.write_text(
        CONFIGURATIONS[name].substitute(folder=folder, port=port, backend=backend)
    )
    found = program(name)
    assert found is not None
    log = folder / f"{name}.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [found, *_ARGUMENTS[name], configuration],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"HOME": str(folder)},
        ) as process,
    ):
        try:
            wait_for_port(port, log, process)
            yield
        finally:
            process.terminate()
            process.wait(_STOP_SECONDS)
