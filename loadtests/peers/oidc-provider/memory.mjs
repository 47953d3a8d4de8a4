// oidc-provider's storage in this process's memory: without the limit of a thousand entries that the
// adapter has which it brings along, or codes would be gone before they are used. Durable: nothing.

const stored = new Map();
const byGrant = new Map();

export class MemoryAdapter {
  constructor(model) {
    this.model = model;
  }

  key(id) {
    return `${this.model}:${id}`;
  }

  async upsert(id, payload) {
    stored.set(this.key(id), payload);
    if (payload.grantId !== undefined && this.model !== 'Grant') {
      const known = byGrant.get(payload.grantId);
      if (known === undefined) byGrant.set(payload.grantId, [this.key(id)]);
      else known.push(this.key(id));
    }
  }

  async find(id) {
    return stored.get(this.key(id));
  }

  async findByUid() {
    return undefined;
  }

  async findByUserCode() {
    return undefined;
  }

  async consume(id) {
    stored.get(this.key(id)).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    stored.delete(this.key(id));
  }

  async revokeByGrantId(grantId) {
    for (const key of byGrant.get(grantId) ?? []) stored.delete(key);
    byGrant.delete(grantId);
  }
}
