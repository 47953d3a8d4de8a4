# One image for everything: `civitas serve`, `civitas worker`, `civitas migrate`, `civitas keys …`.

FROM python:3.11-slim-bookworm AS environment
WORKDIR /srv/civitas
COPY requirements.lock ./
RUN python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --require-hashes --no-deps -r requirements.lock

FROM python:3.11-slim-bookworm
# SoftHSM stands in for the hardware security module; with a real one, its vendor's module instead.
RUN apt-get update \
 && apt-get install -y --no-install-recommends softhsm2 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin civitas \
 && install -d -o civitas -g civitas -m 0700 /var/lib/civitas /var/lib/civitas/tokens
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONPATH=/srv/civitas \
    SOFTHSM2_CONF=/etc/civitas/softhsm2.conf
COPY --from=environment /opt/venv /opt/venv
WORKDIR /srv/civitas
COPY LICENSE pyproject.toml ./
COPY kernel kernel
COPY audit audit
COPY population_register population_register
COPY consent consent
COPY vault vault
COPY idp idp
COPY partner_api partner_api
COPY portal portal
COPY migrations migrations
COPY app app
COPY deploy/softhsm2.conf /etc/civitas/softhsm2.conf
COPY --chmod=0755 deploy/entrypoint.sh deploy/create-root-key.sh /usr/local/bin/
# --no-deps: the lock has installed them; --no-index: nothing else is fetched.
RUN pip install --no-cache-dir --no-deps --no-index --no-build-isolation --editable .
USER civitas
EXPOSE 8000
ENTRYPOINT ["/usr/local/bin/entrypoint.sh"]
CMD ["civitas", "serve"]
