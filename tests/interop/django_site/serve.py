"""Make the database and answer requests: `python -m tests.interop.django_site.serve`."""

from wsgiref.simple_server import make_server

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

if __name__ == "__main__":
    django.setup()
    call_command("migrate", verbosity=0)
    with make_server("127.0.0.1", settings.PORT, get_wsgi_application()) as server:
        server.serve_forever()
