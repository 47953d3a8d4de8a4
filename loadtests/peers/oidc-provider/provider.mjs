// oidc-provider, set up to do at its token endpoint what ours does: `private_key_jwt` by ES256 with
// replay detection, PKCE, ES256 JWT access tokens (RFC 9068) for one resource, ES256 ID tokens.

import { Provider } from 'oidc-provider';

import { PostgresAdapter } from './adapter.mjs';

const world = JSON.parse(process.env.PEER_WORLD);

export const provider = new Provider(world.issuer, {
  adapter: PostgresAdapter,
  clients: [world.client],
  jwks: { keys: [world.signing_key] },
  pkce: { required: () => true },
  findAccount: async (ctx, sub) => ({ accountId: sub, claims: async () => ({ sub }) }),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => world.resource,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: '',
        audience: world.resource,
        accessTokenFormat: 'jwt',
        accessTokenTTL: 600,
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  ttl: { AuthorizationCode: 3600, Grant: 7200, IdToken: 600, ClientCredentials: 600 },
  cookies: { keys: ['benchmark'] },
});

export { world };
