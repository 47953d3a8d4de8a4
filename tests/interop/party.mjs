// What the relying parties of this folder share: how they speak with the test, which is the person
// at the browser. One JSON object a line: {"ask": …} asks the person to do something and is answered
// with one line; {"done": …} is what the party learned.
//
//   node openid_client.mjs SCENARIO '{"issuer": …, …}'

import { request } from 'node:https'
import { createInterface } from 'node:readline/promises'
import { argv, stdin, stdout } from 'node:process'

const lines = createInterface({ input: stdin })[Symbol.asyncIterator]()

export const given = JSON.parse(argv[3])
export const issuer = given.issuer
export const redirectUri = 'http://localhost:9/callback' // nobody listens: the test reads the address
export const afterSignOut = 'http://localhost:9/bye'
export const CIBA = 'urn:openid:params:grant-type:ciba'
export const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code'
export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
export const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'

async function ask(what, more) {
  stdout.write(JSON.stringify({ ask: what, ...more }) + '\n')
  return JSON.parse((await lines.next()).value)
}

/** Send the person's browser somewhere; return the address at which it came back to us. */
export async function open(url, decision = 'allow') {
  return new URL((await ask('open', { url: String(url), decision })).url)
}

/** Let the person type the code of a device and decide. */
export const decideDevice = (answer, decision = 'allow') =>
  ask('device', { user_code: answer.user_code, url: answer.verification_uri, decision })

/** Let the person decide what waits in their account. */
export const decideRequest = (message, decision = 'allow') => ask('request', { message, decision })

/** Return the code of the refusal that `promise` ends in: the server's, or else the client's own. */
export async function refusal(promise) {
  try {
    await promise
  } catch (error) {
    const challenge = error.cause?.[0] // of a WWW-Authenticate header, which comes before a body
    const code = error.error ?? challenge?.parameters?.error ?? challenge?.scheme ?? error.code
    return code ?? String(error)
  }
  return 'nothing was refused'
}

/** `fetch` over connections with a certificate of the client's, which Node's own can't make. */
export const fetchWith = ({ ca, cert, key }) => (url, { method, headers, body } = {}) =>
  new Promise((resolve, reject) => {
    const sent = new Request(url, { method, headers, body })
    const options = { method: sent.method, headers: Object.fromEntries(sent.headers), ca, cert, key }
    const call = request(url, options, (answer) => {
      const parts = []
      answer.on('data', (part) => parts.push(part))
      answer.on('end', () => {
        const named = Object.entries(answer.headers).map(([name, value]) => [name, String(value)])
        resolve(new Response(Buffer.concat(parts), { status: answer.statusCode, headers: named }))
      })
    })
    call.on('error', reject)
    call.end(body == null ? undefined : String(body))
  })

/** How WebCrypto's libraries call our EdDSA: RFC 9864, 2.2. */
export const signingAlg = (alg) => (alg === 'EdDSA' ? 'Ed25519' : alg)

/** Change what a JWT says and leave its signature. */
export function tampered(jwt) {
  const [header, payload, signature] = jwt.split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url'))
  const other = Buffer.from(JSON.stringify({ ...claims, jti: 'other' })).toString('base64url')
  return [header, other, signature].join('.')
}

export async function publicJwk(key, more) {
  const { key_ops, ext, ...jwk } = await crypto.subtle.exportKey('jwk', key.publicKey)
  return { ...jwk, ...more }
}

export async function play(scenarios) {
  const learned = await scenarios[argv[2]]()
  stdout.write(JSON.stringify({ done: learned }) + '\n')
  process.exit(0)
}
