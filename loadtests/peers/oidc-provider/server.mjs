// Serve the provider on 127.0.0.1:PEER_PORT. What it holds in memory is filled in here, first.

import { createServer } from 'node:http';

import { fill } from './fill.mjs';
import { provider, world } from './provider.mjs';

if (process.env.PEER_DATABASE_URL === undefined) await fill(provider, world);
provider.on('server_error', (ctx, error) => console.error(error));
createServer(provider.callback()).listen(Number(process.env.PEER_PORT), '127.0.0.1');
