// The scenarios of openid_client.mjs on npm's `oauth4webapi`, which lies closer to the wire: each
// request is built, sent and judged by hand, and every signature is verified.

import { createServer } from 'node:http'
import { compactDecrypt, createRemoteJWKSet, jwtVerify } from 'jose'
import * as oauth from 'oauth4webapi'
import {
  ACCESS_TOKEN, CIBA, DEVICE, TOKEN_EXCHANGE, afterSignOut, decideDevice, decideRequest, given,
  issuer, open, play, publicJwk, redirectUri, refusal, signingAlg, tampered,
} from './party.mjs'

const scope = 'openid profile offline_access'
const http = { [oauth.allowInsecureRequests]: true } // a demonstration on loopback
const as = await oauth.processDiscoveryResponse(
  new URL(issuer), await oauth.discoveryRequest(new URL(issuer), http),
)

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000))

/** One client, and what it sends. */
class Party {
  static async register(more = {}, { method = 'client_secret_basic', alg = 'ES256', options = {} } = {}) {
    const key = await oauth.generateKeyPair(alg, { extractable: true })
    const own = method === 'private_key_jwt' ? [await publicJwk(key, { kid: 'key-1', alg, use: 'sig' })] : []
    const { extraKeys = [], ...metadata } = more
    const keys = [...own, ...extraKeys]
    const wanted = {
      client_name: 'Interop',
      redirect_uris: [redirectUri],
      post_logout_redirect_uris: [afterSignOut],
      grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
      token_endpoint_auth_method: method,
      ...(keys.length ? { jwks: { keys } } : {}),
      ...metadata,
    }
    const client = await oauth.processDynamicClientRegistrationResponse(
      await oauth.dynamicClientRegistrationRequest(as, wanted, {
        ...http, initialAccessToken: given.initial_access_tokens?.shift(),
      }),
    )
    const authentication = {
      client_secret_basic: () => oauth.ClientSecretBasic(client.client_secret),
      client_secret_post: () => oauth.ClientSecretPost(client.client_secret),
      private_key_jwt: () => oauth.PrivateKeyJwt({ key: key.privateKey, kid: 'key-1' }),
      none: () => oauth.None(),
    }[method]()
    return new Party(client, authentication, { key: key.privateKey, kid: 'key-1' }, { ...http, ...options })
  }

  constructor(client, authentication, key, options) {
    Object.assign(this, { client, authentication, key, options })
  }

  async dpop(alg = 'ES256') {
    return oauth.DPoP(this.client, await oauth.generateKeyPair(alg))
  }

  async prepare(more = {}) {
    const verifier = oauth.generateRandomCodeVerifier()
    const state = oauth.generateRandomState()
    const nonce = oauth.generateRandomNonce()
    const parameters = new URLSearchParams({
      client_id: this.client.client_id,
      response_type: 'code',
      redirect_uri: redirectUri,
      scope,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
      ...more,
    })
    return { parameters, expected: { verifier, state, nonce } }
  }

  address(parameters) {
    const url = new URL(as.authorization_endpoint)
    url.search = parameters
    return url
  }

  async push(parameters, DPoP) {
    const response = await oauth.pushedAuthorizationRequest(
      as, this.client, this.authentication, parameters, { ...this.options, DPoP },
    )
    const pushed = await oauth.processPushedAuthorizationResponse(as, this.client, response)
    return new URLSearchParams({ client_id: this.client.client_id, request_uri: pushed.request_uri })
  }

  async sign(parameters) {
    const request = await oauth.issueRequestObject(as, this.client, parameters, this.key)
    return new URLSearchParams({ client_id: this.client.client_id, request })
  }

  /** Judge the answer that the browser brought, redeem the code, verify the ID token. */
  async redeem(back, { verifier, state, nonce }, DPoP) {
    const judge = back.searchParams.has('response') ? oauth.validateJwtAuthResponse : oauth.validateAuthResponse
    const answer = await judge(as, this.client, back, state, this.options)
    const response = await oauth.authorizationCodeGrantRequest(
      as, this.client, this.authentication, answer, redirectUri, verifier, { ...this.options, DPoP },
    )
    const tokens = await oauth.processAuthorizationCodeResponse(as, this.client, response, {
      ...this.options, expectedNonce: nonce, requireIdToken: true,
    })
    await oauth.validateApplicationLevelSignature(as, response, http)
    return { tokens, claims: oauth.getValidatedIdTokenClaims(tokens) }
  }

  async signIn({ build = (parameters) => parameters, more, DPoP } = {}) {
    const { parameters, expected } = await this.prepare(more)
    const url = this.address(await build(parameters))
    const back = await open(url)
    return { url, back, expected, ...(await this.redeem(back, expected, DPoP)) }
  }

  async userInfo(tokens, DPoP, sub = oauth.skipSubjectCheck, options = {}) {
    const response = await oauth.userInfoRequest(as, this.client, tokens.access_token, {
      ...this.options, ...options, DPoP,
    })
    const person = await oauth.processUserInfoResponse(as, this.client, sub, response, this.options)
    if (this.client.userinfo_signed_response_alg) {
      await oauth.validateApplicationLevelSignature(as, response, http)
    }
    return person
  }

  async facts({ tokens, claims }, DPoP) {
    const person = await this.userInfo(tokens, DPoP, claims.sub)
    return { issuer: claims.iss, token_type: tokens.token_type, name: person.name }
  }

  async refresh(refreshToken, { DPoP, ...additionalParameters } = {}) {
    const response = await oauth.refreshTokenGrantRequest(
      as, this.client, this.authentication, refreshToken,
      { ...this.options, DPoP, additionalParameters },
    )
    return oauth.processRefreshTokenResponse(as, this.client, response, this.options)
  }

  async introspect(token) {
    const response = await oauth.introspectionRequest(
      as, this.client, this.authentication, token, this.options,
    )
    const said = await oauth.processIntrospectionResponse(as, this.client, response, this.options)
    if (this.client.introspection_signed_response_alg) {
      await oauth.validateApplicationLevelSignature(as, response, http)
    }
    return said
  }

  async revoke(token) {
    const response = await oauth.revocationRequest(
      as, this.client, this.authentication, token, this.options,
    )
    return oauth.processRevocationResponse(response)
  }

  async clientCredentials() {
    const response = await oauth.clientCredentialsGrantRequest(
      as, this.client, this.authentication, {}, this.options,
    )
    return oauth.processClientCredentialsResponse(as, this.client, response)
  }

  async exchange(token) {
    const response = await oauth.genericTokenEndpointRequest(
      as, this.client, this.authentication, TOKEN_EXCHANGE,
      { subject_token: token, subject_token_type: ACCESS_TOKEN }, this.options,
    )
    return oauth.processGenericTokenEndpointResponse(as, this.client, response)
  }

  async beginDevice() {
    const response = await oauth.deviceAuthorizationRequest(
      as, this.client, this.authentication, { scope }, this.options,
    )
    return oauth.processDeviceAuthorizationResponse(as, this.client, response)
  }

  async pollDevice({ device_code }) {
    const response = await oauth.deviceCodeGrantRequest(
      as, this.client, this.authentication, device_code, this.options,
    )
    const tokens = await oauth.processDeviceCodeResponse(as, this.client, response)
    return { tokens, claims: oauth.getValidatedIdTokenClaims(tokens) }
  }

  async beginCiba(parameters) {
    const response = await oauth.backchannelAuthenticationRequest(
      as, this.client, this.authentication, { scope, ...parameters }, this.options,
    )
    return oauth.processBackchannelAuthenticationResponse(as, this.client, response)
  }

  async pollCiba({ auth_req_id }) {
    const response = await oauth.backchannelAuthenticationGrantRequest(
      as, this.client, this.authentication, auth_req_id, this.options,
    )
    const tokens = await oauth.processBackchannelAuthenticationGrantResponse(as, this.client, response)
    return { tokens, claims: oauth.getValidatedIdTokenClaims(tokens) }
  }
}

await play({
  async code() {
    const { method, alg } = given
    const party = await Party.register(
      {
        id_token_signed_response_alg: alg,
        userinfo_signed_response_alg: alg,
        ...(method === 'none' && { grant_types: ['authorization_code', 'refresh_token'] }),
      },
      { method, alg: signingAlg(alg) },
    )
    return party.facts(await party.signIn())
  },

  async par() {
    const party = await Party.register(
      { require_pushed_authorization_requests: true }, { method: 'private_key_jwt' },
    )
    const { parameters } = await party.prepare()
    const direct = await open(party.address(parameters))
    const signedIn = await party.signIn({ build: (parameters) => party.push(parameters) })
    return {
      ...(await party.facts(signedIn)),
      in_address: [...signedIn.url.searchParams.keys()].sort(),
      not_pushed: direct.searchParams.get('error'),
      used_again: (await open(signedIn.url)).href.startsWith(redirectUri),
    }
  },

  async dpop() {
    const party = await Party.register({ dpop_bound_access_tokens: true })
    const DPoP = await party.dpop(given.alg)
    const signedIn = await party.signIn({ DPoP, more: { dpop_jkt: await DPoP.calculateThumbprint() } })
    const { tokens } = signedIn
    let first
    const remember = (url, options) => {
      first = options.headers.dpop
      return fetch(url, options)
    }
    const repeat = (url, options) => fetch(url, { ...options, headers: { ...options.headers, dpop: first } })
    const learned = await party.facts(signedIn, DPoP)
    await party.userInfo(tokens, DPoP, undefined, { [oauth.customFetch]: remember })
    return {
      ...learned,
      bearer: await refusal(party.userInfo(tokens)),
      other_key: await refusal(party.userInfo(tokens, await party.dpop())),
      replayed: await refusal(party.userInfo(tokens, DPoP, undefined, { [oauth.customFetch]: repeat })),
    }
  },

  async dpop_jkt() {
    const party = await Party.register({ dpop_bound_access_tokens: true })
    const DPoP = await party.dpop()
    const { parameters, expected } = await party.prepare({ dpop_jkt: await DPoP.calculateThumbprint() })
    const back = await open(party.address(parameters))
    return { other_key: await refusal(party.redeem(back, expected, await party.dpop())) }
  },

  async jar() {
    const party = await Party.register(
      { request_object_signing_alg: given.alg, require_signed_request_object: true },
      { alg: given.alg, method: 'private_key_jwt' },
    )
    const signedIn = await party.signIn({ build: (parameters) => party.sign(parameters) })
    const { parameters } = await party.prepare()
    const signed = await party.sign(parameters)
    signed.set('request', tampered(signed.get('request')))
    return {
      ...(await party.facts(signedIn)),
      in_address: [...signedIn.url.searchParams.keys()].sort(),
      unsigned: await refusal(party.push(parameters)),
      tampered: await refusal(party.push(signed)),
    }
  },

  async jarm() {
    const party = await Party.register({ authorization_signed_response_alg: given.alg })
    const more = { response_mode: 'jwt' }
    const signedIn = await party.signIn({ more })
    const { parameters, expected } = await party.prepare(more)
    const back = await open(party.address(parameters))
    back.searchParams.set('response', tampered(back.searchParams.get('response')))
    return {
      ...(await party.facts(signedIn)),
      in_answer: [...signedIn.back.searchParams.keys()],
      tampered: await refusal(party.redeem(back, expected)),
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
    const decrypt = async (jwe) => {
      const { plaintext } = await compactDecrypt(jwe, pair.privateKey, {
        keyManagementAlgorithms: [alg], contentEncryptionAlgorithms: [enc],
      })
      return new TextDecoder().decode(plaintext)
    }
    const kinds = ['id_token', 'userinfo', 'authorization', 'introspection']
    const metadata = Object.fromEntries(
      kinds.flatMap((kind) => [
        [`${kind}_signed_response_alg`, 'ES256'],
        [`${kind}_encrypted_response_alg`, alg],
        [`${kind}_encrypted_response_enc`, enc],
      ]),
    )
    const party = await Party.register(
      { ...metadata, extraKeys: [await publicJwk(pair, { kid: 'enc-1', alg, use: 'enc' })] },
      { options: { [oauth.jweDecrypt]: decrypt } },
    )
    const signedIn = await party.signIn({ more: { response_mode: 'jwt' } })
    const { active } = await party.introspect(signedIn.tokens.access_token)
    return {
      ...(await party.facts(signedIn)),
      active,
      parts: [signedIn.back.searchParams.get('response'), signedIn.tokens.id_token].map(
        (jwt) => jwt.split('.').length,
      ),
    }
  },

  async device() {
    const party = await Party.register({ grant_types: [DEVICE, 'refresh_token'], redirect_uris: [] })
    const allowed = await party.beginDevice()
    await decideDevice(allowed)
    const signedIn = await party.pollDevice(allowed)
    const denied = await party.beginDevice()
    await decideDevice(denied, 'deny')
    return {
      ...(await party.facts(signedIn)),
      refreshed: typeof (await party.refresh(signedIn.tokens.refresh_token)).access_token,
      denied: await refusal(party.pollDevice(denied)),
      used_again: await refusal(party.pollDevice(allowed)),
    }
  },

  async device_waits() {
    const party = await Party.register({ grant_types: [DEVICE], redirect_uris: [] })
    const begun = await party.beginDevice()
    const answers = [await refusal(party.pollDevice(begun))]
    answers.push(await refusal(party.pollDevice(begun))) // at once: too soon
    await decideDevice(begun)
    await pause(begun.interval + 5) // RFC 8628, 3.5: slow_down adds five seconds
    await party.pollDevice(begun)
    return { answers: [...answers, 'tokens'] }
  },

  async ciba() {
    const party = await Party.register(
      { grant_types: [CIBA, 'refresh_token'], backchannel_token_delivery_mode: 'poll', redirect_uris: [] },
      { method: 'private_key_jwt' },
    )
    const begin = (message) => party.beginCiba({ login_hint: given.username, binding_message: message })
    const allowed = await begin(`${given.mark}-A1`)
    await decideRequest(`${given.mark}-A1`)
    const signedIn = await party.pollCiba(allowed)
    const denied = await begin(`${given.mark}-B2`)
    await decideRequest(`${given.mark}-B2`, 'deny')
    return {
      ...(await party.facts(signedIn)),
      denied: await refusal(party.pollCiba(denied)),
      used_again: await refusal(party.pollCiba(allowed)),
      malformed_hint: await refusal(party.beginCiba({ login_hint_token: 'no token' })),
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
    const party = await Party.register(
      {
        grant_types: [CIBA],
        backchannel_token_delivery_mode: 'ping',
        backchannel_client_notification_endpoint: `http://127.0.0.1:${server.address().port}/ping`,
        redirect_uris: [],
      },
      { method: 'private_key_jwt' },
    )
    const secret = oauth.generateRandomState()
    const begun = await party.beginCiba({
      login_hint: given.username,
      binding_message: `${given.mark}-P3`,
      client_notification_token: secret,
    })
    await decideRequest(`${given.mark}-P3`)
    const told = await pinged.promise
    server.close()
    return {
      ...(await party.facts(await party.pollCiba(begun))),
      told: told.auth_req_id === begun.auth_req_id,
      bearer: told.authorization === `Bearer ${secret}`,
    }
  },

  async refresh() {
    const party = await Party.register()
    const { tokens, claims } = await party.signIn()
    const next = await party.refresh(tokens.refresh_token)
    const wide = await refusal(party.refresh(next.refresh_token, { scope: 'openid address' }))
    const replay = await refusal(party.refresh(tokens.refresh_token))
    return {
      rotated: next.refresh_token !== tokens.refresh_token,
      same_person: oauth.getValidatedIdTokenClaims(next).sub === claims.sub,
      wide,
      replay,
      family: await refusal(party.refresh(next.refresh_token)),
      access_token: await refusal(party.userInfo(next)),
    }
  },

  async refresh_retry() {
    const party = await Party.register({ dpop_bound_access_tokens: true })
    const DPoP = await party.dpop()
    const { tokens } = await party.signIn({ DPoP })
    const first = await party.refresh(tokens.refresh_token, { DPoP })
    const second = await party.refresh(tokens.refresh_token, { DPoP })
    const thief = await party.dpop()
    return {
      rotated: first.refresh_token !== tokens.refresh_token,
      same_successor: first.refresh_token === second.refresh_token,
      other_key: await refusal(party.refresh(tokens.refresh_token, { DPoP: thief })),
    }
  },

  async introspection() {
    const party = await Party.register({ introspection_signed_response_alg: given.alg })
    const other = await Party.register()
    const { tokens, claims } = await party.signIn()
    const said = await party.introspect(tokens.access_token)
    return {
      active: said.active,
      same_person: said.sub === claims.sub,
      refresh_token: (await party.introspect(tokens.refresh_token)).active,
      to_another: await other.introspect(tokens.access_token),
      nonsense: (await party.introspect('nonsense')).active,
    }
  },

  async revocation() {
    const party = await Party.register()
    const other = await Party.register()
    const { tokens } = await party.signIn()
    await other.revoke(tokens.refresh_token)
    const still = (await party.userInfo(tokens)).name
    const next = await party.refresh(tokens.refresh_token)
    await party.revoke(tokens.access_token)
    const access = await refusal(party.userInfo(tokens))
    const nextWorks = (await party.userInfo(next)).name
    await party.revoke(next.refresh_token)
    return {
      by_another: still,
      access_token: access,
      next_access_token: nextWorks,
      after_refresh_token: await refusal(party.userInfo(next)),
      refresh_token: await refusal(party.refresh(next.refresh_token)),
    }
  },

  async logout() {
    const party = await Party.register()
    const { tokens, claims } = await party.signIn()
    const silent = async () => {
      const { parameters, expected } = await party.prepare({ prompt: 'none', scope: 'openid' })
      return party.redeem(await open(party.address(parameters)), expected)
    }
    const leave = (parameters) => {
      const url = new URL(as.end_session_endpoint)
      url.search = new URLSearchParams({ id_token_hint: tokens.id_token, ...parameters })
      return open(url)
    }
    const before = (await silent()).claims.sub === claims.sub
    const elsewhere = await leave({ post_logout_redirect_uri: 'http://localhost:9/evil' })
    const bye = await leave({ post_logout_redirect_uri: afterSignOut, state: 'bye' })
    return {
      before,
      unregistered: elsewhere.href.startsWith('http://localhost:9/'),
      bye: bye.href,
      after: await refusal(silent()),
    }
  },

  async client_credentials() {
    const party = await Party.register({}, { method: 'private_key_jwt' })
    const tokens = await party.clientCredentials()
    return {
      token_type: tokens.token_type,
      about_nobody: await refusal(party.userInfo(tokens)),
      refresh_token: tokens.refresh_token === undefined,
    }
  },

  async token_exchange() {
    const grant_types = ['authorization_code', TOKEN_EXCHANGE]
    const bank = await Party.register()
    const desk = await Party.register({ grant_types })
    const stranger = await Party.register({ grant_types, redirect_uris: ['http://127.0.0.1:9/callback'] })
    const { tokens, claims } = await bank.signIn()
    const got = await desk.exchange(tokens.access_token)
    return {
      same_person: (await desk.userInfo(got)).sub === claims.sub,
      issued_token_type: got.issued_token_type,
      outside_the_group: await refusal(stranger.exchange(tokens.access_token)),
    }
  },

  async wrong_answers() {
    const party = await Party.register()
    const come = async (decision, more) => {
      const { parameters, expected } = await party.prepare(more)
      return [await open(party.address(parameters), decision), expected]
    }
    const redeem = ([back, expected], change = {}) =>
      refusal(party.redeem(back, { ...expected, ...change }))
    const changed = async (name, value) => {
      const [back, expected] = await come()
      if (value === null) back.searchParams.delete(name)
      else back.searchParams.set(name, value)
      return [back, expected]
    }
    const { back, expected, tokens } = await party.signIn()
    return {
      denied: await redeem(await come('deny', { prompt: 'consent' })),
      iss: await redeem(await changed('iss', 'https://attacker.example')),
      no_iss: await redeem(await changed('iss', null)),
      state: await redeem(await changed('state', 'other')),
      nonce: await redeem(await come(), { nonce: 'other' }),
      verifier: await redeem(await come(), { verifier: oauth.generateRandomCodeVerifier() }),
      code: await redeem(await changed('code', `${back.searchParams.get('code')}x`)),
      code_replayed: await redeem([back, expected]),
      tokens_of_replayed: await refusal(party.userInfo(tokens)),
    }
  },

  async wrong_client() {
    const party = await Party.register({}, { method: 'private_key_jwt' })
    const thief = await oauth.generateKeyPair('ES256')
    const as = (authentication) => new Party(party.client, authentication, party.key, http)
    return {
      other_key: await refusal(
        as(oauth.PrivateKeyJwt({ key: thief.privateKey, kid: 'key-1' })).clientCredentials(),
      ),
      secret: await refusal(as(oauth.ClientSecretBasic('guess')).clientCredentials()),
      nothing: await refusal(as(oauth.None()).clientCredentials()),
    }
  },

  async fapi2() {
    const party = await Party.register(
      {
        id_token_signed_response_alg: given.alg,
        authorization_signed_response_alg: given.alg,
        request_object_signing_alg: signingAlg(given.alg),
        token_endpoint_auth_signing_alg: signingAlg(given.alg),
        introspection_signed_response_alg: given.alg,
        grant_types: ['authorization_code', 'refresh_token'],
        dpop_bound_access_tokens: true,
        require_pushed_authorization_requests: true,
        require_signed_request_object: true,
        authorization_details_types: ['civitas_disclosure'],
      },
      { method: 'private_key_jwt', alg: signingAlg(given.alg) },
    )
    const DPoP = await party.dpop()
    const build = async (parameters) => party.push(await party.sign(parameters), DPoP)
    const authorization_details = JSON.stringify([
      {
        type: 'civitas_disclosure', purpose: 'account_opening',
        items: ['family_name', 'given_name', 'birthdate'],
      },
    ])
    const more = { response_mode: 'jwt', authorization_details }
    const signedIn = await party.signIn({ build, DPoP, more })
    const { tokens, claims } = signedIn
    const api = new URL(`${issuer}/partner/v1`)
    const protectedBy = await oauth.processResourceDiscoveryResponse(
      api, await oauth.resourceDiscoveryRequest(api, http),
    )
    const read = (DPoP) =>
      oauth.protectedResourceRequest(
        tokens.access_token, 'GET', new URL(`${api.href}/person`), undefined, null, { ...http, DPoP },
      )
    const response = await read(DPoP)
    const { payload, protectedHeader } = await jwtVerify(
      await response.text(), createRemoteJWKSet(new URL(protectedBy.jwks_uri)),
      { issuer, audience: party.client.client_id, typ: 'civitas-person+jwt' },
    )
    const { parameters } = await party.prepare(more)
    const noPKCE = new URLSearchParams(parameters)
    noPKCE.delete('code_challenge')
    noPKCE.delete('code_challenge_method')
    return {
      issuer: claims.iss,
      token_type: tokens.token_type,
      in_address: [...signedIn.url.searchParams.keys()].sort(),
      in_answer: [...signedIn.back.searchParams.keys()],
      details: tokens.authorization_details.map((detail) => [detail.type, detail.purpose]),
      signed: protectedHeader.alg,
      about: payload.sub === claims.sub,
      attributes: payload.attributes,
      active: (await party.introspect(tokens.access_token)).active,
      other_key: await refusal(read(await party.dpop())),
      no_proof: await refusal(read(undefined)),
      not_signed: await refusal(party.push(parameters, DPoP)),
      no_pkce: await refusal(build(noPKCE)),
      is_kept: [undefined, tokens.refresh_token].includes(
        (await party.refresh(tokens.refresh_token, { DPoP })).refresh_token,
      ),
    }
  },
})
