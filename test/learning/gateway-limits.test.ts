import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import { childToken, createChild, type Family, makeFamily, onTheTablet, startConversation, takeTurn } from '../helpers/family.ts'
import { eventsOf, openSilentSocket, openSockets, stateOf } from '../helpers/live.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { openChildSocket, openSocket } from '../helpers/socket.ts'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
const MAX_FRAMES = 6

describe('the WebSocket door, against too much', () => {
  let server: TestServer
  let address: string
  beforeAll(async () => {
    server = await startTestServer({ gateway: { maxFramesPerMinute: MAX_FRAMES, maxSocketsPerChild: 2, slowReaderBytes: 256 * 1024 } })
    address = await server.listen()
  })
  afterAll(() => server.close())

  // Attack: a client that keeps the server busy with frames.
  it('closes with 4429 at one frame too many in a minute, the auth frame counted, and begins anew each minute', async () => {
    const family = await makeFamily(server.api)
    const socket = await openChildSocket(address, family.token, family.childId)
    const pongs = () => socket.frames.filter((frame) => frame.type === 'pong').length
    for (let frame = 1; frame < MAX_FRAMES; frame += 1) expect(await stateOf(socket)).toBe('open')
    server.clock.advance(MINUTE_MS)
    for (let frame = 0; frame < MAX_FRAMES; frame += 1) expect(await stateOf(socket)).toBe('open')
    socket.send({ type: 'ping' })
    expect(await socket.closed).toBe(4429)
    expect(pongs()).toBe(2 * MAX_FRAMES - 1)
  })

  // Attack: a client that keeps the server busy with frames that carry no message.
  it.each(['ping', 'pong'] as const)('counts each %s nobody asked for like any other frame', async (kind) => {
    const family = await makeFamily(server.api)
    const socket = await openChildSocket(address, family.token, family.childId)
    for (let frame = 1; frame < MAX_FRAMES; frame += 1) socket.raw[kind]()
    socket.send({ type: 'ping' })
    expect(await socket.closed).toBe(4429)
    expect(socket.frames.map(({ type }) => type)).toEqual(['ready'])
  })

  // Attack: a client that opens sockets without end.
  it('closes with 4429 the socket that is one too many for a child, and no other', async () => {
    const family = await makeFamily(server.api)
    const sibling = await createChild(server.api, family.token, { name: 'Noah' })
    const first = await openChildSocket(address, family.token, family.childId)
    const second = await openChildSocket(address, await childToken(server.api, family))
    const third = await openSocket(address)
    third.send({ type: 'auth', token: family.token, child_id: family.childId })
    expect(await third.closed).toBe(4429)
    const siblings = await openChildSocket(address, family.token, sibling)
    for (const socket of [first, second, siblings]) expect(await stateOf(socket)).toBe('open')
  })

  // Attack: sockets that authenticate at the same moment, to slip through the count together.
  it('lets no more sockets in when many come at once', async () => {
    const family = await makeFamily(server.api)
    const sockets = await Promise.all(Array.from({ length: 6 }, () => openSocket(address)))
    for (const socket of sockets) socket.send({ type: 'auth', token: family.token, child_id: family.childId })
    const outcomes = await Promise.all(
      sockets.map((socket) =>
        Promise.race([
          socket.closed,
          socket.waitFor('ready').then(
            () => 'ready',
            () => socket.closed,
          ),
        ]),
      ),
    )
    expect(outcomes.sort()).toEqual([4429, 4429, 4429, 4429, 'ready', 'ready'])
  })

  // Attack: a client that reads nothing, to fill the server's memory with what it is owed.
  it('cuts a reader that does not keep up, while another of the same child misses nothing', async () => {
    const family = await makeFamily(server.api)
    const keen = await openChildSocket(address, family.token, family.childId)
    const slow = await openChildSocket(address, family.token, family.childId)
    const before = await openSockets(server)
    slow.raw.pause()
    const chunk = 'x'.repeat(128 * 1024)
    const published = 400
    const conversation_id = newId()
    let seq = 0
    while (seq < published && (await openSockets(server)) === before) {
      for (let burst = 0; burst < 20; burst += 1) {
        seq += 1
        server.deps.live.publish(family.childId, { type: 'message_chunk', conversation_id, chunk, chunk_index: seq })
        await keen.waitFor((frame) => frame.seq === seq && frame.type === 'message_chunk')
      }
    }
    slow.raw.resume()
    expect([4408, 1006]).toContain(await slow.closed)
    expect(await openSockets(server)).toBe(before - 1)
    expect(await stateOf(keen)).toBe('open')
    expect(eventsOf(keen.frames).map((frame) => frame.seq)).toEqual(Array.from({ length: seq }, (_, index) => index + 1))
    expect(eventsOf(slow.frames).length).toBeLessThan(seq)
  })
})

describe('the heartbeat', () => {
  let server: TestServer
  let address: string
  beforeAll(async () => {
    server = await startTestServer({ gateway: { heartbeatMs: 1_000 } })
    address = await server.listen()
  })
  afterAll(() => server.close())

  it('ends the socket of a peer that has gone silent and keeps those that answer', async () => {
    const family = await makeFamily(server.api)
    const living = await openChildSocket(address, family.token, family.childId)
    const silent = await openSilentSocket(address, family.token, family.childId)
    expect(await silent.closed).toBe(1006)
    expect(await stateOf(living)).toBe('open')
    expect(await openSockets(server)).toBe(1)
    living.close()
    await living.closed
  })

  // Attack: a socket opened with a token in time, kept for ever.
  it('closes with 4401 when the token expires, and keeps the socket whose token has not', async () => {
    const family = await makeFamily(server.api)
    const tablet = await openChildSocket(address, await childToken(server.api, family))
    const parent = await openChildSocket(address, family.token, family.childId)
    server.clock.advance(DAY_MS - 1_000)
    expect(await stateOf(parent)).toBe('open')
    server.clock.advance(1_000)
    expect(await parent.closed).toBe(4401)
    expect(await stateOf(tablet)).toBe('open')
  })
})

describe('a token that has expired between two heartbeats', () => {
  let server: TestServer
  let address: string
  let family: Family
  let conversation: string
  beforeAll(async () => {
    server = await startTestServer()
    address = await server.listen()
    family = await makeFamily(server.api)
    conversation = await startConversation(server.api, family)
  })
  afterAll(() => server.close())

  // Attack: a socket opened with a token in time, used after it.
  it('takes no turn and hears nothing more', async () => {
    const tablet = await onTheTablet(server.api, family)
    const [speaking, listening] = [await openChildSocket(address, family.token, family.childId), await openChildSocket(address, family.token, family.childId)]
    const living = await openChildSocket(address, tablet.token)
    server.clock.advance(DAY_MS)
    speaking.send({ type: 'message', conversation_id: conversation, choice_index: 0 })
    expect(await speaking.closed).toBe(4401)
    expect((await takeTurn(server.api, tablet, conversation)).status).toBe(201)
    expect(await listening.closed).toBe(4401)
    expect([...speaking.frames, ...listening.frames].filter(({ type }) => type !== 'ready')).toEqual([])
    expect(await server.deps.db.prisma.message.count({ where: { conversationId: conversation, role: 'user' } })).toBe(1)
    expect(await stateOf(living)).toBe('open')
  })
})
