// Relying parties on npm's `openid-client`, certified by the OpenID Foundation and written by nobody
// here. Each is told the issuer, registers itself, and does one thing; see party.mjs.

import { createServer } from 'node:http'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import * as client from 'openid-client'
import {
  ACCESS_TOKEN, CIBA, DEVICE, TOKEN_EXCHANGE, afterSignOut, decideDevice, decideRequest, fetchWith,
  given, issuer, open, play, publicJwk, redirectUri, refusal, signingAlg, tampered,
} from './party.mjs'

const overHttp = client.allowInsecureRequests // a demonstration on loopback
const scope = 'openid profile offline_access'
const loose = { grant_types: ['authorization_code', 'refresh_token', 'client_credentials'] }

/** Register; the method of authentication decides what else is registered. */
async function register(more = {}, { method = 'client_secret_basic', alg = 'ES256', execute = [] } = {}) {
  const withKey = method === 'private_key_jwt' || more.request_object_signing_alg
  const key = withKey ? await client.randomDPoPKeyPair(alg) : undefined
  const keys = key ? [await publicJwk(key, { kid: 'key-1', alg, use: 'sig' })] : []
  const { extraKeys = [], ...metadata } = more
  const wanted = {
    client_name: 'Interop',
    redirect_uris: [redirectUri],
    post_logout_redirect_uris: [afterSignOut],
    token_endpoint_auth_method: method,
    ...loose,
    ...(keys.length + extraKeys.length ? { jwks: { keys: [...keys, ...extraKeys] } } : {}),
    ...metadata,
  }
  const authentication = {
    client_secret_basic: () => client.ClientSecretBasic(),
    client_secret_post: () => client.ClientSecretPost(),
    private_key_jwt: () => client.PrivateKeyJwt({ key: key.privateKey, kid: 'key-1' }),
    none: () => client.None(),
  }[method]()
  const config = await client.dynamicClientRegistration(new URL(issuer), wanted, authentication, {
    execute: [overHttp, ...execute],
    initialAccessToken: given.initial_access_tokens?.shift(),
  })
  return { config, key: key && { key: key.privateKey, kid: 'key-1' } }
}

/** What is sent with an authorization request, and what is expected of the answer. */
async function prepare(more = {}) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const expectedState = client.randomState()
  const expectedNonce = client.randomNonce()
  const parameters = {
    redirect_uri: redirectUri,
    scope,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: expectedState,
    nonce: expectedNonce,
    ...more,
  }
  return { parameters, checks: { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true } }
}

/** Sign the person in; `build` makes the address of the request. */
async function signIn(config, { build = client.buildAuthorizationUrl, more, DPoP } = {}) {
  const { parameters, checks } = await prepare(more)
  const url = await build(config, parameters)
  const back = await open(url)
  const tokens = await client.authorizationCodeGrant(config, back, checks, undefined, { DPoP })
  return { url, back, checks, tokens, claims: tokens.claims() }
}

async function facts(config, { tokens, claims }, DPoP) {
  const person = await client.fetchUserInfo(config, tokens.access_token, claims.sub, { DPoP })
  return { issuer: claims.iss, token_type: tokens.token_type, name: person.name }
}

const dpopOf = async (config, alg = 'ES256') =>
  client.getDPoPHandle(config, await client.randomDPoPKeyPair(alg))

const userInfo = (config, tokens, DPoP) =>
  client.fetchUserInfo(config, tokens.access_token, client.skipSubjectCheck, { DPoP })

await play({
  async code() {
    const { method, alg } = given
    const { config } = await register(
      {
        id_token_signed_response_alg: alg,
        userinfo_signed_response_alg: alg,
        ...(method === 'none' && { grant_types: ['authorization_code', 'refresh_token'] }),
      },
      { method, alg: signingAlg(alg), execute: [client.enableNonRepudiationChecks] },
    )
    return facts(config, await signIn(config))
  },

  async par() {
    const { config } = await register(
      { require_pushed_authorization_requests: true }, { method: 'private_key_jwt' },
    )
    const { parameters } = await prepare()
    const direct = await open(client.buildAuthorizationUrl(config, parameters))
    const signedIn = await signIn(config, { build: client.buildAuthorizationUrlWithPAR })
    return {
      ...(await facts(config, signedIn)),
      in_address: [...signedIn.url.searchParams.keys()].sort(),
      not_pushed: direct.searchParams.get('error'),
      used_again: (await open(signedIn.url)).href.startsWith(redirectUri),
    }
  },

  async dpop() {
    const proofs = []
    let replays = false
    const { config } = await register({ dpop_bound_access_tokens: true })
    config[client.customFetch] = (url, options) => {
      const proof = options.headers.get?.('dpop') ?? options.headers.dpop
      if (proof && new URL(url).pathname === '/userinfo') {
        proofs.push(proof)
        if (replays) options.headers = { ...options.headers, dpop: proofs[0] }
      }
      return fetch(url, options)
    }
    const DPoP = await dpopOf(config, given.alg)
    const signedIn = await signIn(config, {
      DPoP, more: { dpop_jkt: await DPoP.calculateThumbprint() },
    })
    const learned = await facts(config, signedIn, DPoP)
    const { tokens } = signedIn
    const bearer = await refusal(userInfo(config, tokens))
    const other = await refusal(userInfo(config, tokens, await dpopOf(config)))
    replays = true
    return { ...learned, bearer, other_key: other, replayed: await refusal(userInfo(config, tokens, DPoP)) }
  },

  async dpop_jkt() {
    const { config } = await register({ dpop_bound_access_tokens: true })
    const DPoP = await dpopOf(config)
    const { parameters, checks } = await prepare({ dpop_jkt: await DPoP.calculateThumbprint() })
    const back = await open(client.buildAuthorizationUrl(config, parameters))
    const thief = await dpopOf(config)
    return {
      other_key: await refusal(
        client.authorizationCodeGrant(config, back, checks, undefined, { DPoP: thief }),
      ),
    }
  },

  async jar() {
    const { config, key } = await register(
      { request_object_signing_alg: given.alg, require_signed_request_object: true },
      { alg: given.alg, method: 'private_key_jwt' },
    )
    const build = (config, parameters) =>
      client.buildAuthorizationUrlWithJAR(config, parameters, key)
    const signedIn = await signIn(config, { build })
    const { parameters } = await prepare()
    const url = await build(config, parameters)
    url.searchParams.set('request', tampered(url.searchParams.get('request')))
    return {
      ...(await facts(config, signedIn)),
      in_address: [...signedIn.url.searchParams.keys()].sort(),
      unsigned: await refusal(client.buildAuthorizationUrlWithPAR(config, parameters)),
      tampered: await refusal(client.buildAuthorizationUrlWithPAR(config, url.searchParams)),
    }
  },

  async jarm() {
    const { config } = await register(
      { authorization_signed_response_alg: given.alg },
      { execute: [client.useJwtResponseMode] },
    )
    const signedIn = await signIn(config)
    const { parameters, checks } = await prepare()
    const back = await open(client.buildAuthorizationUrl(config, parameters))
    back.searchParams.set('response', tampered(back.searchParams.get('response')))
    return {
      ...(await facts(config, signedIn)),
      in_answer: [...signedIn.back.searchParams.keys()],
      tampered: await refusal(client.authorizationCodeGrant(config, back, checks)),
    }
  },

  async encrypted() {
    const [alg, enc] = given.alg.split('+')
    const pair = await crypto.subtle.generateKey(
      alg === 'RSA-OAEP-256'
        ? { name: 'RSA-OAEP', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) }
        : { name: 'ECDH', namedCurve: 'P-256' },
      true,
      alg === 'RSA-OAEP-256' ? ['decrypt', 'encrypt'] : ['deriveBits'],
    )
    const kinds = ['id_token', 'userinfo', 'authorization', 'introspection']
    const metadata = Object.fromEntries(
      kinds.flatMap((kind) => [
        [`${kind}_signed_response_alg`, 'ES256'],
        [`${kind}_encrypted_response_alg`, alg],
        [`${kind}_encrypted_response_enc`, enc],
      ]),
    )
    const { config } = await register(
      { ...metadata, extraKeys: [await publicJwk(pair, { kid: 'enc-1', alg, use: 'enc' })] },
      {
        execute: [
          client.useJwtResponseMode,
          client.enableNonRepudiationChecks,
          (config) =>
            client.enableDecryptingResponses(config, [enc], { key: pair.privateKey, kid: 'enc-1', alg }),
        ],
      },
    )
    const signedIn = await signIn(config)
    const { active } = await client.tokenIntrospection(config, signedIn.tokens.access_token)
    return {
      ...(await facts(config, signedIn)),
      active,
      parts: [signedIn.back.searchParams.get('response'), signedIn.tokens.id_token].map(
        (jwt) => jwt.split('.').length,
      ),
    }
  },

  async device() {
    const { config } = await register({ grant_types: [DEVICE, 'refresh_token'], redirect_uris: [] })
    const begin = async () => client.initiateDeviceAuthorization(config, { scope })
    const allowed = await begin()
    await decideDevice(allowed)
    const tokens = await client.pollDeviceAuthorizationGrant(config, { ...allowed, interval: 0 })
    const denied = await begin()
    await decideDevice(denied, 'deny')
    return {
      ...(await facts(config, { tokens, claims: tokens.claims() })),
      refreshed: typeof (await client.refreshTokenGrant(config, tokens.refresh_token)).access_token,
      denied: await refusal(client.pollDeviceAuthorizationGrant(config, { ...denied, interval: 0 })),
      used_again: await refusal(client.pollDeviceAuthorizationGrant(config, { ...allowed, interval: 0 })),
    }
  },

  async device_waits() {
    const { config } = await register({ grant_types: [DEVICE], redirect_uris: [] })
    const begun = await client.initiateDeviceAuthorization(config, { scope: 'openid profile' })
    const answers = []
    config[client.customFetch] = async (url, options) => {
      const response = await fetch(url, options)
      if (new URL(url).pathname === '/token') {
        const body = await response.clone().json()
        answers.push(body.error ?? 'tokens')
        if (body.error === 'authorization_pending') await decideDevice(begun)
      }
      return response
    }
    await client.pollDeviceAuthorizationGrant(config, begun)
    return { answers }
  },

  async ciba() {
    const { config } = await register(
      { grant_types: [CIBA, 'refresh_token'], backchannel_token_delivery_mode: 'poll', redirect_uris: [] },
      { method: 'private_key_jwt' },
    )
    const begin = (message) =>
      client.initiateBackchannelAuthentication(config, {
        scope, login_hint: given.username, binding_message: message,
      })
    const allowed = await begin(`${given.mark}-A1`)
    await decideRequest(`${given.mark}-A1`)
    const poll = (answer) =>
      client.pollBackchannelAuthenticationGrant(config, { ...answer, interval: 0 })
    const tokens = await poll(allowed)
    const denied = await begin(`${given.mark}-B2`)
    await decideRequest(`${given.mark}-B2`, 'deny')
    return {
      ...(await facts(config, { tokens, claims: tokens.claims() })),
      denied: await refusal(poll(denied)),
      used_again: await refusal(poll(allowed)),
      malformed_hint: await refusal(
        client.initiateBackchannelAuthentication(config, { scope, login_hint_token: 'no token' }),
      ),
    }
  },

  async ciba_ping() {
    const pinged = Promise.withResolvers()
    const server = createServer(async (request, response) => {
      let body = ''
      for await (const part of request) body += part
      response.writeHead(204).end()
      pinged.resolve({ authorization: request.headers.authorization, ...JSON.parse(body) })
    })
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { config } = await register(
      {
        grant_types: [CIBA],
        backchannel_token_delivery_mode: 'ping',
        backchannel_client_notification_endpoint: `http://127.0.0.1:${server.address().port}/ping`,
        redirect_uris: [],
      },
      { method: 'private_key_jwt' },
    )
    const secret = client.randomState()
    const begun = await client.initiateBackchannelAuthentication(config, {
      scope: 'openid profile', login_hint: given.username,
      binding_message: `${given.mark}-P3`, client_notification_token: secret,
    })
    await decideRequest(`${given.mark}-P3`)
    const told = await pinged.promise
    server.close()
    const tokens = await client.pollBackchannelAuthenticationGrant(config, { ...begun, interval: 0 })
    return {
      ...(await facts(config, { tokens, claims: tokens.claims() })),
      told: told.auth_req_id === begun.auth_req_id,
      bearer: told.authorization === `Bearer ${secret}`,
    }
  },

  async refresh() {
    const { config } = await register()
    const { tokens } = await signIn(config)
    const next = await client.refreshTokenGrant(config, tokens.refresh_token)
    const wide = await refusal(
      client.refreshTokenGrant(config, next.refresh_token, { scope: 'openid address' }),
    )
    const replay = await refusal(client.refreshTokenGrant(config, tokens.refresh_token))
    return {
      rotated: next.refresh_token !== tokens.refresh_token,
      same_person: next.claims().sub === tokens.claims().sub,
      wide,
      replay,
      family: await refusal(client.refreshTokenGrant(config, next.refresh_token)),
      access_token: await refusal(userInfo(config, next)),
    }
  },

  async refresh_retry() {
    const { config } = await register({ dpop_bound_access_tokens: true })
    const DPoP = await dpopOf(config)
    const { tokens } = await signIn(config, { DPoP })
    const rotate = (key) => client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP: key })
    const first = await rotate(DPoP)
    const second = await rotate(DPoP)
    return {
      rotated: first.refresh_token !== tokens.refresh_token,
      same_successor: first.refresh_token === second.refresh_token,
      other_key: await refusal(rotate(await dpopOf(config))),
    }
  },

  async introspection() {
    const { config } = await register(
      { introspection_signed_response_alg: given.alg },
      { execute: [client.enableNonRepudiationChecks] },
    )
    const other = await register()
    const { tokens, claims } = await signIn(config)
    const said = await client.tokenIntrospection(config, tokens.access_token)
    return {
      active: said.active,
      same_person: said.sub === claims.sub,
      refresh_token: (await client.tokenIntrospection(config, tokens.refresh_token)).active,
      to_another: await client.tokenIntrospection(other.config, tokens.access_token),
      nonsense: (await client.tokenIntrospection(config, 'nonsense')).active,
    }
  },

  async revocation() {
    const { config } = await register()
    const other = await register()
    const { tokens } = await signIn(config)
    await client.tokenRevocation(other.config, tokens.refresh_token)
    const still = (await userInfo(config, tokens)).name
    const next = await client.refreshTokenGrant(config, tokens.refresh_token)
    await client.tokenRevocation(config, tokens.access_token)
    const access = await refusal(userInfo(config, tokens))
    const nextWorks = (await userInfo(config, next)).name
    await client.tokenRevocation(config, next.refresh_token)
    return {
      by_another: still,
      access_token: access,
      next_access_token: nextWorks,
      after_refresh_token: await refusal(userInfo(config, next)),
      refresh_token: await refusal(client.refreshTokenGrant(config, next.refresh_token)),
    }
  },

  async logout() {
    const { config } = await register()
    const { tokens } = await signIn(config)
    const silent = async () => {
      const { parameters, checks } = await prepare({ prompt: 'none', scope: 'openid' })
      const back = await open(client.buildAuthorizationUrl(config, parameters))
      return client.authorizationCodeGrant(config, back, checks)
    }
    const before = (await silent()).claims().sub === tokens.claims().sub
    const elsewhere = await open(
      client.buildEndSessionUrl(config, {
        id_token_hint: tokens.id_token, post_logout_redirect_uri: 'http://localhost:9/evil',
      }),
    )
    const bye = await open(
      client.buildEndSessionUrl(config, {
        id_token_hint: tokens.id_token, post_logout_redirect_uri: afterSignOut, state: 'bye',
      }),
    )
    return {
      before,
      unregistered: elsewhere.href.startsWith('http://localhost:9/'),
      bye: bye.href,
      after: await refusal(silent()),
    }
  },

  async client_credentials() {
    const { config } = await register({}, { method: 'private_key_jwt' })
    const tokens = await client.clientCredentialsGrant(config)
    return {
      token_type: tokens.token_type,
      about_nobody: await refusal(userInfo(config, tokens)),
      refresh_token: tokens.refresh_token === undefined,
    }
  },

  async token_exchange() {
    const bank = await register()
    const desk = await register({ grant_types: ['authorization_code', TOKEN_EXCHANGE] })
    const stranger = await register({
      grant_types: ['authorization_code', TOKEN_EXCHANGE],
      redirect_uris: ['http://127.0.0.1:9/callback'],
    })
    const { tokens, claims } = await signIn(bank.config)
    const exchange = (config) =>
      client.genericGrantRequest(config, TOKEN_EXCHANGE, {
        subject_token: tokens.access_token, subject_token_type: ACCESS_TOKEN,
      })
    const got = await exchange(desk.config)
    return {
      same_person: (await userInfo(desk.config, got)).sub === claims.sub,
      issued_token_type: got.issued_token_type,
      outside_the_group: await refusal(exchange(stranger.config)),
    }
  },

  async wrong_answers() {
    const { config } = await register()
    const come = async (decision) => {
      const { parameters, checks } = await prepare()
      return [await open(client.buildAuthorizationUrl(config, parameters), decision), checks]
    }
    const redeem = ([back, checks], change = {}) =>
      refusal(client.authorizationCodeGrant(config, back, { ...checks, ...change }))
    const changed = async (name, value) => {
      const [back, checks] = await come()
      if (value === null) back.searchParams.delete(name)
      else back.searchParams.set(name, value)
      return [back, checks]
    }
    const { back, checks, tokens } = await signIn(config)
    return {
      denied: await redeem(await (async () => {
        const { parameters, checks } = await prepare({ prompt: 'consent' })
        return [await open(client.buildAuthorizationUrl(config, parameters), 'deny'), checks]
      })()),
      iss: await redeem(await changed('iss', 'https://attacker.example')),
      no_iss: await redeem(await changed('iss', null)),
      state: await redeem(await changed('state', 'other')),
      nonce: await redeem(await come(), { expectedNonce: 'other' }),
      verifier: await redeem(await come(), { pkceCodeVerifier: client.randomPKCECodeVerifier() }),
      code: await redeem(await changed('code', `${back.searchParams.get('code')}x`)),
      code_replayed: await redeem([back, checks]),
      tokens_of_replayed: await refusal(userInfo(config, tokens)),
    }
  },

  async wrong_client() {
    const { config } = await register({}, { method: 'private_key_jwt' })
    const thief = await client.randomDPoPKeyPair('ES256')
    const as = (authentication) => {
      const it = new client.Configuration(
        config.serverMetadata(), config.clientMetadata().client_id, {}, authentication,
      )
      overHttp(it)
      return it
    }
    const other = as(client.PrivateKeyJwt({ key: thief.privateKey, kid: 'key-1' }))
    const secret = as(client.ClientSecretBasic('guess'))
    return {
      other_key: await refusal(client.clientCredentialsGrant(other)),
      secret: await refusal(client.clientCredentialsGrant(secret)),
      nothing: await refusal(client.clientCredentialsGrant(as(client.None()))),
    }
  },

  async mtls() {
    const { ca, own, other } = given
    const config = await client.discovery(
      new URL(issuer), given.client_id, { use_mtls_endpoint_aliases: true }, client.TlsClientAuth(),
      { [client.customFetch]: fetchWith({ ca, ...own }), execute: [client.enableNonRepudiationChecks] },
    )
    const signedIn = await signIn(config, { build: client.buildAuthorizationUrlWithPAR })
    const learned = await facts(config, signedIn)
    const { tokens } = signedIn
    const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
    const refused = async (certificate) => {
      config[client.customFetch] = fetchWith({ ca, ...certificate })
      return [
        await refusal(userInfo(config, tokens)),
        await refusal(client.refreshTokenGrant(config, tokens.refresh_token)),
      ]
    }
    return {
      ...learned,
      refreshed: (await userInfo(config, refreshed)).name,
      other: await refused(other),
      none: await refused({}),
    }
  },

  async fapi2() {
    const algorithms = {
      id_token_signed_response_alg: given.alg,
      authorization_signed_response_alg: given.alg,
      request_object_signing_alg: signingAlg(given.alg),
      token_endpoint_auth_signing_alg: signingAlg(given.alg),
      introspection_signed_response_alg: given.alg,
    }
    const { config, key } = await register(
      {
        ...algorithms,
        grant_types: ['authorization_code', 'refresh_token'],
        dpop_bound_access_tokens: true,
        require_pushed_authorization_requests: true,
        require_signed_request_object: true,
        authorization_details_types: ['civitas_disclosure'],
      },
      {
        method: 'private_key_jwt', alg: signingAlg(given.alg),
        execute: [client.useJwtResponseMode, client.enableNonRepudiationChecks],
      },
    )
    const DPoP = await dpopOf(config)
    const build = async (config, parameters) => {
      const signed = await client.buildAuthorizationUrlWithJAR(config, parameters, key)
      return client.buildAuthorizationUrlWithPAR(config, signed.searchParams, { DPoP })
    }
    const authorization_details = JSON.stringify([
      {
        type: 'civitas_disclosure', purpose: 'account_opening',
        items: ['family_name', 'given_name', 'birthdate'],
      },
    ])
    const signedIn = await signIn(config, { build, DPoP, more: { authorization_details } })
    const { tokens, claims } = signedIn
    const resource = new URL(`${issuer}/partner/v1/person`)
    const read = (DPoP) =>
      client.fetchProtectedResource(config, tokens.access_token, resource, 'GET', null, undefined, { DPoP })
    const response = await read(DPoP)
    const protectedBy = await (
      await fetch(`${issuer}/.well-known/oauth-protected-resource/partner/v1`)
    ).json()
    const { payload, protectedHeader } = await jwtVerify(
      await response.text(), createRemoteJWKSet(new URL(protectedBy.jwks_uri)),
      { issuer, audience: config.clientMetadata().client_id, typ: 'civitas-person+jwt' },
    )
    const { parameters } = await prepare({ authorization_details })
    return {
      issuer: claims.iss,
      token_type: tokens.token_type,
      in_address: [...signedIn.url.searchParams.keys()].sort(),
      in_answer: [...signedIn.back.searchParams.keys()],
      details: tokens.authorization_details.map((detail) => [detail.type, detail.purpose]),
      signed: protectedHeader.alg,
      about: payload.sub === claims.sub,
      attributes: payload.attributes,
      active: (await client.tokenIntrospection(config, tokens.access_token)).active,
      other_key: await refusal(read(await dpopOf(config))),
      no_proof: await refusal(read(undefined)),
      not_signed: await refusal(client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP })),
      no_pkce: await refusal(
        build(config, { ...parameters, code_challenge: undefined, code_challenge_method: undefined }),
      ),
      is_kept: [undefined, tokens.refresh_token].includes(
        (await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP }))
          .refresh_token,
      ),
    }
  },
})
