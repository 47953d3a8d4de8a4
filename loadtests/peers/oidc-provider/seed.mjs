// Make the schema and fill it, before the measured process is started.

import { pool, SCHEMA } from './adapter.mjs';
import { fill } from './fill.mjs';
import { provider, world } from './provider.mjs';

await pool.query(SCHEMA);
const database = (await pool.query('SELECT current_database() AS name')).rows[0].name;
// While it is filled; the measured connections are opened later.
await pool.query(`ALTER DATABASE "${database}" SET synchronous_commit = off`);
await fill(provider, world);
await pool.query(`ALTER DATABASE "${database}" RESET synchronous_commit`);
await pool.end();
