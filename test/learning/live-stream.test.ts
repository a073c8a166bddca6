import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { KEPT_EVENTS, KEPT_MS } from '../../src/learning/gateway/live-events.ts'
import { newId } from '../../src/platform/ids.ts'
import { createChild, type Family, makeFamily, onTheTablet, startConversation, TOPIC, takeTurn } from '../helpers/family.ts'
import { gatedTutor } from '../helpers/gated-tutor.ts'
import { calm, comeBack, eventsOf, isTurnEnd, turnEnds, turnEvents } from '../helpers/live.ts'
import { startTestServer, type TestServer, type TestServerOptions } from '../helpers/server.ts'
import { type Frame, openChildSocket, openSocket } from '../helpers/socket.ts'

const types = (events: readonly Frame[]) => events.map((event) => (event.type === 'typing' ? `typing ${event.is_typing}` : event.type))
const seqs = (events: readonly Frame[]) => events.map((event) => event.seq)
const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, index) => first + index)

describe('the events of a turn', () => {
  let server: TestServer
  let address: string
  beforeAll(async () => {
    server = await startTestServer()
    address = await server.listen()
  })
  afterAll(() => server.close())

  const end = (family: Family, conversationId: string) =>
    server.api.post(`/v1/conversations/${conversationId}/end`, { token: family.token, child: family.childId })

  it('stream to every socket of the child in order, and come to the same as the REST answer', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    const tablet = await onTheTablet(server.api, family)
    const sockets = [await openChildSocket(address, family.token, family.childId), await openChildSocket(address, tablet.token)]
    const turn = await takeTurn(server.api, family, conversation, 1)
    for (const socket of sockets) {
      const events = await turnEvents(socket)
      const chunks = events.filter((event) => event.type === 'message_chunk')
      expect(chunks.length).toBeGreaterThan(0)
      expect(types(events)).toEqual(['typing true', ...chunks.map(() => 'message_chunk'), 'message_complete', 'typing false'])
      expect(seqs(events)).toEqual(upTo(events.length))
      expect(chunks.map((event) => event.chunk_index)).toEqual(chunks.map((_, index) => index))
      expect(events.map((event) => event.conversation_id)).toEqual(events.map(() => conversation))
      const complete = events.find((event) => event.type === 'message_complete')
      expect(complete?.message).toEqual(turn.body.data.assistant_message)
      expect(chunks.map((event) => event.chunk).join('')).toBe(complete?.message.content)
    }
    const [first, second] = sockets.map((socket) => eventsOf(socket.frames))
    expect(first).toEqual(second)
    const stored = await server.deps.db.prisma.message.findUniqueOrThrow({ where: { id: turn.body.data.assistant_message.id } })
    expect(stored.content).toBe(turn.body.data.assistant_message.content)
  })

  it('carry one numbering for the child over turns, conversations and sockets', async () => {
    const family = await makeFamily(server.api)
    const sibling = { ...family, childId: await createChild(server.api, family.token, { name: 'Noah' }) }
    const conversations = [await startConversation(server.api, family), await startConversation(server.api, family, TOPIC.animals)]
    const siblings = await startConversation(server.api, sibling)
    const socket = await openChildSocket(address, family.token, family.childId)
    let last = 0
    for (const conversation of [...conversations, ...conversations]) {
      await takeTurn(server.api, family, conversation)
      await takeTurn(server.api, sibling, siblings)
      last = (await turnEvents(socket, last)).at(-1)?.seq
    }
    await Promise.all(conversations.map((conversation) => takeTurn(server.api, family, conversation)))
    await turnEvents(socket, (await turnEvents(socket, last)).at(-1)?.seq)
    const events = eventsOf(socket.frames)
    expect(seqs(events)).toEqual(upTo(events.length))
    expect(new Set(events.map((event) => event.conversation_id))).toEqual(new Set(conversations))
    expect(events.filter(isTurnEnd)).toHaveLength(6)
    const late = await openChildSocket(address, family.token, family.childId)
    expect(await late.waitFor('ready')).toMatchObject({ seq: events.length, epoch: (await socket.waitFor('ready')).epoch })
  })

  // Attack: listening on one's own child's socket for what another child is told.
  it('reach nobody but the child: not a sibling, not another family, not a socket that has not authenticated', async () => {
    const [family, stranger] = [await makeFamily(server.api), await makeFamily(server.api)]
    const sibling = await createChild(server.api, family.token, { name: 'Noah' })
    const conversation = await startConversation(server.api, family)
    const own = await openChildSocket(address, family.token, family.childId)
    const others = [await openChildSocket(address, family.token, sibling), await openChildSocket(address, stranger.token, stranger.childId)]
    const nobody = await openSocket(address)
    await takeTurn(server.api, family, conversation)
    await turnEvents(own)
    for (const socket of others) {
      socket.send({ type: 'ping' })
      await socket.waitFor('pong')
      expect(socket.frames.map((frame) => frame.type)).toEqual(['ready', 'pong'])
    }
    expect(nobody.frames).toEqual([])
  })

  it('tell a badge once, with the turn that earns it, between the reply and the end of typing', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    const socket = await openChildSocket(address, family.token, family.childId)
    const told: [turn: number, reward: unknown][] = []
    let last = 0
    for (let turn = 1; turn <= 12; turn += 1) {
      const key = newId()
      const answer = await takeTurn(server.api, family, conversation, 0, key)
      const events = await turnEvents(socket, last)
      last = events.at(-1)?.seq
      const rewards = events.filter((event) => event.type === 'reward_earned').map((event) => event.reward)
      expect(rewards).toEqual(answer.body.data.rewards)
      if (rewards.length > 0) {
        expect(types(events).slice(-2 - rewards.length)).toEqual(['message_complete', ...rewards.map(() => 'reward_earned'), 'typing false'])
        expect((await takeTurn(server.api, family, conversation, 0, key)).headers['idempotency-replayed']).toBe('true')
      }
      told.push(...rewards.map((reward): [number, unknown] => [turn, reward]))
    }
    const badge = (id: string, name: string) => ({ type: 'badge', id, name, animation: 'badge_reveal' })
    expect(told).toEqual([
      [6, badge('space_explorer_1', 'Space Explorer')],
      [10, badge('curious_mind_10', 'Curious Mind')],
      [11, badge('deep_thinker_5', 'Deep Thinker')],
    ])
    expect(seqs(eventsOf(socket.frames))).toEqual(upTo(last))
    expect(await server.deps.db.prisma.badge.count({ where: { childId: family.childId } })).toBe(3)
  })

  it('tell the stars of an ended conversation once, when two devices end it together and when it is ended again', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    const socket = await openChildSocket(address, family.token, family.childId)
    await takeTurn(server.api, family, conversation)
    const { length } = await turnEvents(socket)
    const ended = await Promise.all([end(family, conversation), end(family, conversation)])
    expect(ended.map((response) => response.status)).toEqual([200, 200])
    await end(family, conversation)
    socket.send({ type: 'ping' })
    await socket.waitFor('pong')
    expect(eventsOf(socket.frames).slice(length)).toEqual([{ type: 'reward_earned', reward: { type: 'star', amount: 5 }, seq: length + 1 }])
    const ledger = await server.deps.db.prisma.starEntry.findMany({ where: { childId: family.childId } })
    expect(ledger.map((entry) => entry.amount)).toEqual([5])
  })

  it('tell of no stars where a conversation ends without any', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    const socket = await openChildSocket(address, family.token, family.childId)
    await end(family, conversation)
    socket.send({ type: 'ping' })
    await socket.waitFor('pong')
    expect(eventsOf(socket.frames)).toEqual([])
  })

  it('are none for a turn that is refused', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    const socket = await openChildSocket(address, family.token, family.childId)
    expect((await takeTurn(server.api, family, conversation, 3)).status).toBe(400)
    expect((await takeTurn(server.api, family, newId())).status).toBe(404)
    socket.send({ type: 'ping' })
    await socket.waitFor('pong')
    expect(eventsOf(socket.frames)).toEqual([])
  })

  it('come again, exactly those missed, to a reader who tells where it stopped', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    const witness = await openChildSocket(address, family.token, family.childId)
    const { epoch } = await witness.waitFor('ready')
    await takeTurn(server.api, family, conversation)
    await turnEvents(witness)
    const all = eventsOf(witness.frames)
    for (let seq = 0; seq <= all.length; seq += 1) {
      const { socket, frames } = await comeBack(address, family, { epoch, seq })
      expect(frames).toEqual([{ type: 'ready', epoch, seq: all.length }, ...all.slice(seq), { type: 'resumed', recovered: true }])
      socket.close()
      await socket.closed
    }
  })

  it('are not made up: an unknown epoch, one of another child, a position in the future or too far back says recovered: false', async () => {
    const family = await makeFamily(server.api)
    const sibling = await createChild(server.api, family.token, { name: 'Noah' })
    const siblings = await openChildSocket(address, family.token, sibling)
    const first = await openChildSocket(address, family.token, family.childId)
    const [{ epoch }, other] = [await first.waitFor('ready'), await siblings.waitFor('ready')]
    const typing = () => server.deps.live.publish(family.childId, { type: 'typing', conversation_id: newId(), is_typing: true })
    for (let event = 0; event <= KEPT_EVENTS; event += 1) typing()
    const outcome = async (position: { epoch: string; seq: number }) => {
      const { socket, frames } = await comeBack(address, family, position)
      socket.close()
      await socket.closed
      return [frames[0], frames.length, frames.at(-1)]
    }
    const ready = { type: 'ready', epoch, seq: KEPT_EVENTS + 1 }
    const lost = [ready, 2, { type: 'resumed', recovered: false }]
    expect(await outcome({ epoch: newId(), seq: 1 })).toEqual(lost)
    expect(await outcome({ epoch: other.epoch, seq: 1 })).toEqual(lost)
    expect(await outcome({ epoch, seq: KEPT_EVENTS + 2 })).toEqual(lost)
    expect(await outcome({ epoch, seq: 0 })).toEqual(lost)
    expect(await outcome({ epoch, seq: 1 })).toEqual([ready, KEPT_EVENTS + 2, { type: 'resumed', recovered: true }])
    server.clock.advance(KEPT_MS + 1)
    expect(await outcome({ epoch, seq: KEPT_EVENTS })).toEqual(lost)
  })
})

describe('a reader that goes away in the middle of a turn', () => {
  const open: TestServer[] = []
  const start = async (options: TestServerOptions) => {
    const server = await startTestServer(options)
    open.push(server)
    const address = await server.listen()
    await Promise.all(open.map(calm))
    return { server, address }
  }
  afterEach(async () => {
    for (const server of open.splice(0).reverse()) await server.close()
  })

  it('loses nothing: the turn finishes, stands in the history, and resuming gives the rest', async () => {
    const tutor = gatedTutor('Let me think. ', 'Here it is.')
    const { server, address } = await start({ tutor })
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    const leaving = await openChildSocket(address, family.token, family.childId)
    leaving.send({ type: 'message', conversation_id: conversation, content: 'Why do stars twinkle?' })
    await leaving.waitFor('message_chunk')
    const { epoch } = await leaving.waitFor('ready')
    leaving.raw.terminate()
    await leaving.closed
    const before = eventsOf(leaving.frames)

    const { socket: midway, frames } = await comeBack(address, family, { epoch, seq: 1 })
    expect(types(frames)).toEqual(['ready', 'message_chunk', 'resumed'])
    midway.raw.terminate()
    await midway.closed
    const ended = turnEnds(server, family.childId)
    tutor.open()
    await ended

    const { frames: rest } = await comeBack(address, family, { epoch, seq: 2 })
    expect(types(rest)).toEqual(['ready', 'message_chunk', 'message_complete', 'typing false', 'resumed'])
    const all = [...before, ...rest.slice(1, -1)]
    expect(seqs(all)).toEqual(upTo(5))
    const history = await server.api.get(`/v1/conversations/${conversation}/messages`, { token: family.token, child: family.childId })
    const reply = history.body.data.at(-1)
    expect(reply.content).toBe('Let me think. Here it is.')
    expect(all.find((event) => event.type === 'message_complete')?.message).toEqual(reply)
    expect(history.body.data.map((message: { role: string }) => message.role)).toEqual(['assistant', 'user', 'assistant'])
  })
})
