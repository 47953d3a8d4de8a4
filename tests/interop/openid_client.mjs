// A relying party on npm's `openid-client`, certified by the OpenID Foundation and written by nobody
// here. It is told the issuer, registers itself, and signs a person in; the test is the browser.
//
//   node openid_client.mjs ISSUER client_secret_basic|client_secret_post|private_key_jwt
//
// One JSON object a line: {"open": URL} asks the test to go there and answer with the address at
// which the browser came back; {"done": …} is what the relying party learned.

import { createInterface } from 'node:readline/promises'
import { stdin, stdout } from 'node:process'
import * as client from 'openid-client'

const [issuer, kind] = process.argv.slice(2)
const redirectUri = 'http://localhost:9/callback' // nobody listens: the test reads the address
const afterSignOut = 'http://localhost:9/bye'
const overHttp = { execute: [client.allowInsecureRequests] } // a demonstration on loopback
const lines = createInterface({ input: stdin })[Symbol.asyncIterator]()

async function browserComesBack(url) {
  stdout.write(JSON.stringify({ open: url.href }) + '\n')
  const { value } = await lines.next()
  return new URL(value)
}

const keys = await client.randomDPoPKeyPair('ES256')
const publicJwk = await crypto.subtle.exportKey('jwk', keys.publicKey)
const wanted = {
  client_name: 'Interop',
  redirect_uris: [redirectUri],
  post_logout_redirect_uris: [afterSignOut],
  grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
  ...(kind === 'private_key_jwt'
    ? {
        token_endpoint_auth_method: 'private_key_jwt',
        id_token_signed_response_alg: 'ES256',
        dpop_bound_access_tokens: true,
        require_pushed_authorization_requests: true,
        jwks: { keys: [{ ...publicJwk, kid: 'key-1', alg: 'ES256', use: 'sig' }] },
      }
    : { token_endpoint_auth_method: kind }),
}
const authentication = {
  client_secret_basic: () => client.ClientSecretBasic(),
  client_secret_post: () => client.ClientSecretPost(),
  private_key_jwt: () => client.PrivateKeyJwt({ key: keys.privateKey, kid: 'key-1' }),
}[kind]()
const config = await client.dynamicClientRegistration(
  new URL(issuer), wanted, authentication, overHttp,
)
const DPoP =
  kind === 'private_key_jwt'
    ? client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))
    : undefined

const pkceCodeVerifier = client.randomPKCECodeVerifier()
const expectedState = client.randomState()
const expectedNonce = client.randomNonce()
const parameters = {
  redirect_uri: redirectUri,
  scope: 'openid profile offline_access',
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: 'S256',
  state: expectedState,
  nonce: expectedNonce,
  max_age: '3600',
}
const start =
  kind === 'private_key_jwt'
    ? await client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP })
    : client.buildAuthorizationUrl(config, parameters)
const back = await browserComesBack(start)
const tokens = await client.authorizationCodeGrant(
  config, back, { pkceCodeVerifier, expectedState, expectedNonce, maxAge: 3600 }, undefined, { DPoP },
)
const claims = tokens.claims()
const person = await client.fetchUserInfo(config, tokens.access_token, claims.sub, { DPoP })
const described = await client.tokenIntrospection(config, tokens.access_token)
const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })
const again = await client.fetchUserInfo(config, refreshed.access_token, claims.sub, { DPoP })
await client.tokenRevocation(config, refreshed.refresh_token)
const afterRevocation = await client
  .fetchUserInfo(config, refreshed.access_token, claims.sub, { DPoP })
  .then(() => 'still good', (error) => error.cause?.[0]?.parameters?.error ?? error.code)
const own = await client.clientCredentialsGrant(config, undefined, { DPoP })
const bye = await browserComesBack(
  client.buildEndSessionUrl(config, {
    id_token_hint: tokens.id_token,
    post_logout_redirect_uri: afterSignOut,
    state: 'bye',
  }),
)

stdout.write(
  JSON.stringify({
    done: {
      issuer: claims.iss,
      sub: claims.sub,
      nonce: claims.nonce === expectedNonce,
      token_type: tokens.token_type,
      person,
      again: again.sub === person.sub,
      active: described.active,
      rotated: refreshed.refresh_token !== tokens.refresh_token,
      after_revocation: afterRevocation,
      own_token: typeof own.access_token,
      bye: bye.href,
    },
  }) + '\n',
)
process.exit(0)
