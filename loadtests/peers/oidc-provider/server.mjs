// Serve the provider on 127.0.0.1:PEER_PORT.

import { createServer } from 'node:http';

import { provider } from './provider.mjs';

provider.on('server_error', (ctx, error) => console.error(error));
createServer(provider.callback()).listen(Number(process.env.PEER_PORT), '127.0.0.1');
