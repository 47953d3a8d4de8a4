// Make the schema, grants, and PEER_CODES authorization codes; write the codes, one a line.

import { pool, SCHEMA } from './adapter.mjs';
import { provider, world } from './provider.mjs';

const GRANTS = 300;
const AT_ONCE = 64;

await pool.query(SCHEMA);
const database = (await pool.query('SELECT current_database() AS name')).rows[0].name;
// While it is filled; the measured connections are opened later.
await pool.query(`ALTER DATABASE "${database}" SET synchronous_commit = off`);

const grants = [];
for (let number = 0; number < GRANTS; number += 1) {
  const grant = new provider.Grant({ accountId: `person-${number}`, clientId: world.client.client_id });
  grant.addOIDCScope('openid');
  grant.addResourceScope(world.resource, '');
  grants.push({ id: await grant.save(), accountId: `person-${number}` });
}

const client = await provider.Client.find(world.client.client_id);
const count = Number(process.env.PEER_CODES);
const now = Math.floor(Date.now() / 1000);
for (let start = 0; start < count; start += AT_ONCE) {
  const made = [];
  for (let number = start; number < Math.min(start + AT_ONCE, count); number += 1) {
    const grant = grants[number % GRANTS];
    made.push(new provider.AuthorizationCode({
      client,
      accountId: grant.accountId,
      grantId: grant.id,
      authTime: now,
      acr: 'confirmed',
      amr: ['pwd'],
      scope: 'openid',
      nonce: 'nonce',
      resource: world.resource,
      redirectUri: world.client.redirect_uris[0],
      codeChallenge: world.code_challenge,
      codeChallengeMethod: 'S256',
    }).save());
  }
  console.log((await Promise.all(made)).join('\n'));
}
await pool.query(`ALTER DATABASE "${database}" RESET synchronous_commit`);
await pool.end();
