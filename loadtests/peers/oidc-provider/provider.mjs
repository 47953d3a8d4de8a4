// oidc-provider, set up to do what ours does: client authentication by secret and by
// `private_key_jwt` (ES256, replay detection), PKCE, PAR, rotating refresh tokens, opaque and ES256
// JWT access tokens (RFC 9068) for one resource, ES256 ID tokens, introspection.

import { Provider } from 'oidc-provider';

const world = JSON.parse(process.env.PEER_WORLD);
const { MemoryAdapter } = await import('./memory.mjs');
const adapter = process.env.PEER_DATABASE_URL === undefined
  ? MemoryAdapter
  : (await import('./adapter.mjs')).PostgresAdapter;

export const provider = new Provider(world.issuer, {
  adapter,
  clients: world.clients,
  jwks: { keys: [world.signing_key] },
  pkce: { required: () => true },
  findAccount: async (ctx, sub) => ({ accountId: sub, claims: async () => ({ sub }) }),
  rotateRefreshToken: true,
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => world.resource,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, resource, client) => ({
        scope: '',
        audience: world.resource,
        accessTokenFormat: client.clientId.includes('opaque') ? 'opaque' : 'jwt',
        accessTokenTTL: 600,
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  ttl: {
    AccessToken: 3600, AuthorizationCode: 3600, ClientCredentials: 600, Grant: 7200, IdToken: 600,
    RefreshToken: 7200,
  },
  cookies: { keys: ['benchmark'] },
});

export { world };
