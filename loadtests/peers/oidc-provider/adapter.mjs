// oidc-provider's storage in PostgreSQL: one statement per operation, prepared once per connection.
//
// As durable as ours: every write is a committed transaction, fsync on.

import pg from 'pg';

export const pool = new pg.Pool({ connectionString: process.env.PEER_DATABASE_URL, max: 8, min: 8 });

export const SCHEMA = `
CREATE TABLE payloads (
  model text NOT NULL,
  id text NOT NULL,
  payload jsonb NOT NULL,
  grant_id text,
  uid text,
  user_code text,
  expires_at timestamptz,
  consumed_at timestamptz,
  PRIMARY KEY (model, id)
);
CREATE INDEX payloads_grant_id ON payloads (grant_id) WHERE grant_id IS NOT NULL;
CREATE INDEX payloads_uid ON payloads (uid) WHERE uid IS NOT NULL;
CREATE INDEX payloads_user_code ON payloads (user_code) WHERE user_code IS NOT NULL;
`;

const found = (result) => {
  const row = result.rows[0];
  if (row === undefined) return undefined;
  return row.consumed === null ? row.payload : { ...row.payload, consumed: row.consumed };
};

const FIND = `SELECT payload, extract(epoch FROM consumed_at)::bigint::int AS consumed
  FROM payloads WHERE model = $1 AND`;

export class PostgresAdapter {
  constructor(model) {
    this.model = model;
  }

  async upsert(id, payload, expiresIn) {
    const expiresAt = expiresIn === undefined ? null : new Date(Date.now() + expiresIn * 1000);
    await pool.query({
      name: 'upsert',
      text: `INSERT INTO payloads (model, id, payload, grant_id, uid, user_code, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (model, id) DO UPDATE SET payload = excluded.payload,
          grant_id = excluded.grant_id, uid = excluded.uid, user_code = excluded.user_code,
          expires_at = excluded.expires_at`,
      values: [
        this.model, id, payload, payload.grantId ?? null, payload.uid ?? null,
        payload.userCode ?? null, expiresAt,
      ],
    });
  }

  async find(id) {
    const values = [this.model, id];
    return found(await pool.query({ name: 'find', text: `${FIND} id = $2`, values }));
  }

  async findByUid(uid) {
    const values = [this.model, uid];
    return found(await pool.query({ name: 'find_uid', text: `${FIND} uid = $2`, values }));
  }

  async findByUserCode(userCode) {
    const values = [this.model, userCode];
    return found(await pool.query({ name: 'find_code', text: `${FIND} user_code = $2`, values }));
  }

  async consume(id) {
    await pool.query({
      name: 'consume',
      text: 'UPDATE payloads SET consumed_at = now() WHERE model = $1 AND id = $2',
      values: [this.model, id],
    });
  }

  async destroy(id) {
    await pool.query({
      name: 'destroy',
      text: 'DELETE FROM payloads WHERE model = $1 AND id = $2',
      values: [this.model, id],
    });
  }

  async revokeByGrantId(grantId) {
    await pool.query({
      name: 'revoke',
      text: 'DELETE FROM payloads WHERE grant_id = $1',
      values: [grantId],
    });
  }
}
