import { createHmac, createSign, generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import { anotherDevice, sessionOf } from '../helpers/accounts.ts'
import { childToken, createChild, expectRefusal, makeFamily } from '../helpers/family.ts'
import { stateOf } from '../helpers/live.ts'
import { holdRows } from '../helpers/row-lock.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { openChildSocket, openSocket } from '../helpers/socket.ts'

const base64url = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
const KIB_16 = 16 * 1024

describe('the WebSocket door', () => {
  let server: TestServer
  let address: string
  beforeAll(async () => {
    server = await startTestServer()
    address = await server.listen()
  })
  afterAll(() => server.close())

  /** The code that a first frame, or several sent at once, is answered with. */
  async function closeCodeFor(...frames: unknown[]): Promise<number | 'open'> {
    const socket = await openSocket(address)
    for (const frame of frames) socket.send(frame)
    return Promise.race([
      socket.closed,
      socket.waitFor('ready').then(
        () => 'open' as const,
        () => socket.closed,
      ),
    ])
  }

  it('lets a parent in for the child named, with or without the word Bearer', async () => {
    const family = await makeFamily(server.api)
    for (const token of [family.token, `Bearer ${family.token}`]) {
      const socket = await openSocket(address)
      socket.send({ type: 'auth', token, child_id: family.childId.toUpperCase() })
      const ready = await socket.waitFor('ready')
      expect(Object.keys(ready).sort()).toEqual(['epoch', 'seq', 'type'])
      expect(ready).toEqual({ type: 'ready', epoch: expect.stringMatching(/./), seq: 0 })
    }
  })

  it('lets a child in without child_id, and with its own', async () => {
    const family = await makeFamily(server.api)
    const token = await childToken(server.api, family)
    const socket = await openChildSocket(address, token)
    const other = await openChildSocket(address, token, family.childId)
    const epochs = await Promise.all([socket, other].map(async (each) => (await each.waitFor('ready')).epoch))
    expect(epochs[0]).toBe(epochs[1])
  })

  it('is also at /ws', async () => {
    const family = await makeFamily(server.api)
    const socket = await openSocket(address, '/ws')
    socket.send({ type: 'auth', token: family.token, child_id: family.childId })
    expect(await socket.waitFor('ready')).toMatchObject({ seq: 0 })
  })

  it('asks a request without an upgrade for one, with 426', async () => {
    for (const path of ['/v1/ws', '/ws']) expectRefusal(await server.api.get(path), 426, 'VALIDATION_ERROR')
  })

  it('answers a ping with a pong', async () => {
    const family = await makeFamily(server.api)
    const socket = await openChildSocket(address, family.token, family.childId)
    socket.send({ type: 'ping' })
    expect(await socket.waitFor('pong')).toEqual({ type: 'pong' })
  })

  it('closes with 4401 when no auth frame comes in time, and leaves those who came in time alone', async () => {
    const family = await makeFamily(server.api)
    const hasty = await startTestServer({ databaseUrl: server.databaseUrl, dataDir: server.dataDir, clock: server.clock, gateway: { authTimeoutMs: 1_000 } })
    try {
      const hastyAddress = await hasty.listen()
      const [punctual, silent] = [await openChildSocket(hastyAddress, family.token, family.childId), await openSocket(hastyAddress)]
      expect(await silent.closed).toBe(4401)
      expect(await stateOf(punctual)).toBe('open')
    } finally {
      await hasty.close()
    }
  })

  // A client that hears 4401 forgets its token and sends the family to the login.
  it('closes with 1013, not 4401, when the auth frame came in time and the database did not', async () => {
    const family = await makeFamily(server.api)
    const hasty = await startTestServer({ databaseUrl: server.databaseUrl, dataDir: server.dataDir, clock: server.clock, gateway: { authTimeoutMs: 1_000 } })
    const lock = await holdRows(server.databaseUrl, 'LOCK TABLE children IN ACCESS EXCLUSIVE MODE', [])
    try {
      const socket = await openSocket(await hasty.listen())
      socket.send({ type: 'auth', token: family.token, child_id: family.childId })
      expect(await socket.closed).toBe(1013)
    } finally {
      await lock.release()
      await hasty.close()
    }
  })

  it('closes with 4400 whatever is not an auth frame', async () => {
    const { token, childId } = await makeFamily(server.api)
    const auth = { type: 'auth', token, child_id: childId }
    const malformed: [string, unknown][] = [
      ['no JSON', 'hello'],
      ['an empty frame', ''],
      ['null', 'null'],
      ['an array', '[]'],
      ['a string', '"auth"'],
      ['no type', { token, child_id: childId }],
      ['a type that is no text', { ...auth, type: 1 }],
      ['an unknown type', { ...auth, type: 'hello' }],
      ['a ping before the auth frame', { type: 'ping' }],
      ['a message before the auth frame', { type: 'message', conversation_id: newId(), choice_index: 0 }],
      ['no token', { type: 'auth', child_id: childId }],
      ['an empty token', { ...auth, token: '' }],
      ['a token too long for one', { ...auth, token: 'x'.repeat(8_193) }],
      ['a child_id that is no UUID', { ...auth, child_id: 'emma' }],
      ["a parent's token without child_id", { type: 'auth', token }],
      ['an unknown field', { ...auth, admin: true }],
      ['a resume without seq', { ...auth, resume: { epoch: 'x' } }],
      ['a resume from a negative seq', { ...auth, resume: { epoch: 'x', seq: -1 } }],
      ['a resume from half a seq', { ...auth, resume: { epoch: 'x', seq: 0.5 } }],
      ['a resume with an endless epoch', { ...auth, resume: { epoch: 'x'.repeat(65), seq: 0 } }],
      ['a binary frame', Buffer.from(JSON.stringify(auth))],
    ]
    for (const [what, frame] of malformed) {
      if (!Buffer.isBuffer(frame)) expect(await closeCodeFor(frame), what).toBe(4400)
      else {
        const socket = await openSocket(address)
        socket.raw.send(frame)
        expect(await socket.closed, what).toBe(4400)
      }
    }
  })

  it('closes with 4400 on a second auth frame, at once or later, and on whatever else it does not know', async () => {
    const { token, childId } = await makeFamily(server.api)
    const auth = { type: 'auth', token, child_id: childId }
    expect(await closeCodeFor(auth, auth)).toBe(4400)
    const rude: [string, unknown][] = [
      ['a second auth frame', auth],
      ['an unknown type', { type: 'shout' }],
      ["the server's own words", { type: 'typing', conversation_id: newId(), is_typing: true }],
      ['no JSON', '{"type":'],
      ['a binary frame', Buffer.from('{"type":"ping"}')],
    ]
    for (const [what, frame] of rude) {
      const socket = await openChildSocket(address, token, childId)
      if (Buffer.isBuffer(frame)) socket.raw.send(frame)
      else socket.send(frame)
      expect(await socket.closed, what).toBe(4400)
    }
  })

  // Attack: a forged, altered, borrowed or outdated token, to listen in on a child.
  it('closes with 4401 for every token that is not a living one of ours', async () => {
    const family = await makeFamily(server.api)
    const [header = '', payload = '', signature = ''] = family.token.split('.')
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>
    const rs256 = { alg: 'RS256', typ: 'JWT', kid: server.deps.signingKey.jwk.kid }
    const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    const forged = `${base64url(rs256)}.${payload}`
    const hmac = `${base64url({ ...rs256, alg: 'HS256' })}.${payload}`
    const expired = server.app.jwt.sign({ ...claims, exp: Math.floor(server.clock.now() / 1_000) })
    const ended = await anotherDevice(server.api, family)
    await server.api.post('/v1/auth/logout', { token: ended.token })
    const tokens: [string, string][] = [
      ['no token at all', 'hello'],
      ['two schemes', `Bearer Bearer ${family.token}`],
      ['the refresh token', family.refreshToken],
      ['signed by another key', `${forged}.${createSign('RSA-SHA256').update(forged).sign(stranger, 'base64url')}`],
      ['signed by nobody', `${base64url({ ...rs256, alg: 'none' })}.${payload}.`],
      ['signed by nobody, with a signature', `${base64url({ ...rs256, alg: 'none' })}.${payload}.${signature}`],
      ['the public key taken for a shared secret', `${hmac}.${createHmac('sha256', server.deps.signingKey.publicPem).update(hmac).digest('base64url')}`],
      ['another payload under our signature', `${header}.${base64url({ ...claims, sub: newId() })}.${signature}`],
      ['another issuer', server.app.jwt.sign({ ...claims, iss: 'evil.example' })],
      ['expired this second', expired],
      ['a session that has been ended', ended.token],
    ]
    for (const [what, token] of tokens) expect(await closeCodeFor({ type: 'auth', token, child_id: family.childId }), what).toBe(4401)
    expect(await closeCodeFor({ type: 'auth', token: family.token, child_id: family.childId })).toBe('open')
    expect(sessionOf(ended.token)).not.toBe(sessionOf(family.token))
  })

  // Attack: naming another family's child, or a made-up one, to listen in or to learn whether it exists.
  it('closes with 4403 for a foreign child and for one that does not exist, alike', async () => {
    const [family, stranger] = [await makeFamily(server.api), await makeFamily(server.api)]
    for (const child_id of [stranger.childId, newId()]) expect(await closeCodeFor({ type: 'auth', token: family.token, child_id })).toBe(4403)
  })

  // Attack: a child's tablet, to read along with a brother or sister.
  it('closes with 4403 when a child token names another child', async () => {
    const family = await makeFamily(server.api)
    const sibling = await createChild(server.api, family.token, { name: 'Noah' })
    const token = await childToken(server.api, family)
    expect(await closeCodeFor({ type: 'auth', token, child_id: sibling })).toBe(4403)
  })

  it('takes a frame of 16 KiB and closes with 1009 for one byte more', async () => {
    const family = await makeFamily(server.api)
    const frameOf = (bytes: number) =>
      JSON.stringify({ type: 'ping', pad: '' }).replace('""', `"${'x'.repeat(bytes - JSON.stringify({ type: 'ping', pad: '' }).length)}"`)
    const socket = await openChildSocket(address, family.token, family.childId)
    socket.send(frameOf(KIB_16))
    await socket.waitFor('pong')
    socket.send(frameOf(KIB_16 + 1))
    expect(await socket.closed).toBe(1009)
    const unknown = await openSocket(address)
    unknown.send(frameOf(KIB_16 + 1))
    expect(await unknown.closed).toBe(1009)
  })
})
