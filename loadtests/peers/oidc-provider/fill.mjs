// Make grants and what hangs on them: PEER_CODES authorization codes, as many refresh tokens, and
// some opaque access tokens for userinfo and introspection.

import { writeFileSync } from 'node:fs';

const GRANTS = 300;
const ACCESS_TOKENS = 300;
const AT_ONCE = 64;

const many = async (count, make) => {
  const made = [];
  for (let start = 0; start < count; start += AT_ONCE) {
    const batch = [];
    for (let number = start; number < Math.min(start + AT_ONCE, count); number += 1) {
      batch.push(make(number));
    }
    made.push(...await Promise.all(batch));
  }
  return made;
};

export const fill = async (provider, world) => {
  const client = await provider.Client.find(world.code_client);
  const reader = await provider.Client.find(world.reading_client);
  const count = Number(process.env.PEER_CODES);
  const now = Math.floor(Date.now() / 1000);
  const granted = (to) => many(GRANTS, async (number) => {
    const accountId = `person-${number}`;
    const grant = new provider.Grant({ accountId, clientId: to.clientId });
    grant.addOIDCScope('openid offline_access');
    grant.addResourceScope(world.resource, '');
    return { id: await grant.save(), accountId };
  });
  const [grants, readable] = [await granted(client), await granted(reader)];
  const common = (number) => ({
    client,
    accountId: grants[number % GRANTS].accountId,
    grantId: grants[number % GRANTS].id,
    authTime: now,
    acr: 'confirmed',
    amr: ['pwd'],
    scope: 'openid offline_access',
    nonce: 'nonce',
    resource: world.resource,
  });
  const made = {
    codes: await many(world.needs.includes('code') ? count : 0, (number) => (
      new provider.AuthorizationCode({
        ...common(number),
        scope: 'openid',
        redirectUri: client.redirectUris[0],
        codeChallenge: world.code_challenge,
        codeChallengeMethod: 'S256',
      }).save())),
    refresh_tokens: await many(world.needs.includes('refresh') ? count : 0, (number) => (
      new provider.RefreshToken({
        ...common(number), gty: 'authorization_code', rotations: 0, iiat: now,
      }).save())),
    access_tokens: await many(ACCESS_TOKENS, (number) => (
      new provider.AccessToken({
        client: reader,
        accountId: readable[number % GRANTS].accountId,
        grantId: readable[number % GRANTS].id,
        gty: 'authorization_code',
        scope: 'openid',
      }).save())),
  };
  writeFileSync(process.env.PEER_FILLED, JSON.stringify(made));
};
