import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import { createChild, expectRefusal, type Family, makeFamily, onTheTablet, startConversation, TOPIC, takeTurn } from '../helpers/family.ts'
import { gatedTutor } from '../helpers/gated-tutor.ts'
import { calm, stateOf, turnEvents } from '../helpers/live.ts'
import { startTestServer, type TestServer, type TestServerOptions } from '../helpers/server.ts'
import { type Frame, openChildSocket, type SocketClient } from '../helpers/socket.ts'

const messagesOf = (server: TestServer, conversationId: string) =>
  server.deps.db.prisma.message.findMany({ where: { conversationId }, orderBy: { seq: 'asc' } })

/** Sends a message frame under a key of its own and resolves with the answer to it. */
async function ask(socket: SocketClient, frame: Readonly<Record<string, unknown>>): Promise<Frame> {
  const idempotency_key = newId()
  socket.send({ type: 'message', idempotency_key, ...frame })
  return answerTo(socket, String(frame.idempotency_key ?? idempotency_key))
}

const answerTo = (socket: SocketClient, key: string): Promise<Frame> =>
  socket.waitFor((frame) => (frame.type === 'message_result' || frame.type === 'error') && frame.idempotency_key === key)

/** What every refusal by frame looks like. */
function expectErrorFrame(frame: Frame, code: string, field?: string): void {
  expect([frame.type, frame.error?.code], JSON.stringify(frame)).toEqual(['error', code])
  expect(frame.error).toMatchObject({
    message: expect.stringMatching(/./),
    child_message: expect.stringMatching(/./),
    child_animation: expect.stringMatching(/_mascot$/),
    request_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
  })
  if (field !== undefined) expect(frame.error.details.map((detail: { field: string }) => detail.field)).toEqual([field])
}

describe('a turn by socket', () => {
  let server: TestServer
  let address: string
  beforeAll(async () => {
    server = await startTestServer()
    address = await server.listen()
  })
  afterAll(() => server.close())

  async function talking(): Promise<{ family: Family; conversation: string; socket: SocketClient }> {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    return { family, conversation, socket: await openChildSocket(address, family.token, family.childId) }
  }

  it('by choice or in own words is answered to this socket alone, with the data that REST gives', async () => {
    const { family, conversation, socket } = await talking()
    const other = await openChildSocket(address, family.token, family.childId)
    const turns = [
      { frame: { choice_index: 1 }, said: 1, user: { selected_choice_index: 1, is_free_form: false } },
      { frame: { content: '  Why do stars twinkle? ' }, said: 'Why do stars twinkle?', user: { content: 'Why do stars twinkle?', is_free_form: true } },
      { frame: { content: 'How big is the Sun?', is_free_form: true }, said: 'How big is the Sun?', user: { content: 'How big is the Sun?' } },
    ]
    for (const { frame, said, user } of turns) {
      const idempotency_key = newId()
      const result = await ask(socket, { conversation_id: conversation, idempotency_key, ...frame })
      expect(result).toEqual({
        type: 'message_result',
        conversation_id: conversation,
        idempotency_key,
        replayed: false,
        data: expect.objectContaining({ user_message: expect.objectContaining({ role: 'user', ...user }), rewards: [] }),
        meta: { request_id: expect.stringMatching(/^[0-9a-f-]{36}$/) },
      })
      expect((await takeTurn(server.api, family, conversation, said, idempotency_key)).body.data).toEqual(result.data)
    }
    const events = await turnEvents(other, (await turnEvents(other, (await turnEvents(other)).at(-1)?.seq)).at(-1)?.seq)
    expect(events.at(-1)?.type).toBe('typing')
    expect(other.frames.filter((frame) => frame.type === 'message_result')).toEqual([])
    const history = await server.api.get(`/v1/conversations/${conversation}/messages`, { token: family.token, child: family.childId })
    const told = socket.frames.filter((frame) => frame.type === 'message_result').flatMap(({ data }) => [data.user_message, data.assistant_message])
    expect(history.body.data.slice(1)).toEqual(told)
  })

  it('needs no key: the answer then has none', async () => {
    const { conversation, socket } = await talking()
    socket.send({ type: 'message', conversation_id: conversation, choice_index: 0 })
    const result = await socket.waitFor('message_result')
    expect(Object.keys(result).sort()).toEqual(['conversation_id', 'data', 'meta', 'replayed', 'type'])
    expect(await messagesOf(server, conversation)).toHaveLength(3)
  })

  it('shown again with its key comes back as it was, through whichever door, and is stored once', async () => {
    const { family, conversation, socket } = await talking()
    const tablet = await onTheTablet(server.api, family)
    const [bySocket, byRest] = [newId(), newId()]
    const first = await ask(socket, { conversation_id: conversation, idempotency_key: bySocket, choice_index: 0 })
    const replayed = await takeTurn(server.api, tablet, conversation, 0, bySocket)
    expect([replayed.status, replayed.headers['idempotency-replayed']]).toEqual([201, 'true'])
    expect(replayed.body.data).toEqual(first.data)

    const second = await takeTurn(server.api, tablet, conversation, 'Why do stars twinkle?', byRest)
    const frame = { conversation_id: conversation.toUpperCase(), idempotency_key: byRest, content: ' Why do stars twinkle?' }
    const again = await ask(await openChildSocket(address, tablet.token), frame)
    expect(again).toMatchObject({ type: 'message_result', replayed: true })
    expect(again.data).toEqual(second.body.data)

    const misused = await ask(await openChildSocket(address, tablet.token), { conversation_id: conversation, idempotency_key: byRest, choice_index: 0 })
    expectErrorFrame(misused, 'UNPROCESSABLE_ENTITY')
    expectRefusal(await takeTurn(server.api, family, conversation, 1, bySocket), 422, 'UNPROCESSABLE_ENTITY')
    expect(await messagesOf(server, conversation)).toHaveLength(5)
  })

  it('that earns two badges tells them alike when it is shown again', async () => {
    const tutor = gatedTutor()
    tutor.open()
    const quick = await startTestServer({ databaseUrl: server.databaseUrl, dataDir: server.dataDir, clock: server.clock, tutor })
    try {
      const quickAddress = await quick.listen()
      await Promise.all([calm(server), calm(quick)])
      const family = await makeFamily(server.api)
      const conversation = await startConversation(server.api, family)
      for (let turn = 0; turn < 10; turn += 1) expect((await takeTurn(quick.api, family, conversation, 'Why?')).status).toBe(201)
      const key = newId()
      const first = await takeTurn(quick.api, family, conversation, 'Why?', key)
      expect(first.body.data.rewards.map((reward: { id: string }) => reward.id).sort()).toEqual(['deep_thinker_10', 'space_explorer_3'])
      const socket = await openChildSocket(quickAddress, family.token, family.childId)
      const again = await ask(socket, { conversation_id: conversation, idempotency_key: key, content: 'Why?' })
      expect(again.data).toEqual(first.body.data)
    } finally {
      await quick.close()
    }
  })

  it('that is malformed is refused by a frame that names the field, and the socket stays', async () => {
    const { conversation, socket } = await talking()
    const conversation_id = conversation
    const faults: [frame: Record<string, unknown>, field: string][] = [
      [{ content: 'hi' }, 'conversation_id'],
      [{ conversation_id: 'space', content: 'hi' }, 'conversation_id'],
      [{ conversation_id: 7, content: 'hi' }, 'conversation_id'],
      [{ conversation_id }, 'content'],
      [{ conversation_id, content: '' }, 'content'],
      [{ conversation_id, content: ' \n ' }, 'content'],
      [{ conversation_id, content: 'x'.repeat(1_001) }, 'content'],
      [{ conversation_id, content: 7 }, 'content'],
      [{ conversation_id, content: 'hi', choice_index: 0 }, 'content'],
      [{ conversation_id, choice_index: '0' }, 'choice_index'],
      [{ conversation_id, choice_index: 0.5 }, 'choice_index'],
      [{ conversation_id, choice_index: 0, is_free_form: true }, 'is_free_form'],
      [{ conversation_id, content: 'hi', mood: 'good' }, 'mood'],
      [{ conversation_id, content: 'hi', child_id: newId() }, 'child_id'],
    ]
    for (const [frame, field] of faults) expectErrorFrame(await ask(socket, frame), 'VALIDATION_ERROR', field)
    for (const idempotency_key of ['', 'with space', 'ü', 'x'.repeat(256)])
      expectErrorFrame(await ask(socket, { conversation_id, content: 'hi', idempotency_key }), 'VALIDATION_ERROR', 'idempotency_key')
    expectErrorFrame(await ask(socket, { conversation_id, choice_index: 3 }), 'INVALID_CHOICE')
    expectErrorFrame(await ask(socket, { conversation_id, choice_index: -1 }), 'INVALID_CHOICE')
    expect(await messagesOf(server, conversation)).toHaveLength(1)
    expect(await stateOf(socket)).toBe('open')
  })

  // Attack: text that PostgreSQL cannot hold, which REST refuses, through the other door.
  it('with a character that cannot be stored is refused as by REST, naming the field', async () => {
    const { family, conversation, socket } = await talking()
    for (const content of ['a\u0000b', 'half \ud83d of a pair']) {
      expectRefusal(await takeTurn(server.api, family, conversation, content), 400, 'VALIDATION_ERROR', 'content')
      expectErrorFrame(await ask(socket, { conversation_id: conversation, content }), 'VALIDATION_ERROR', 'content')
    }
    expect(await messagesOf(server, conversation)).toHaveLength(1)
  })

  // Attack: the id of another child's conversation, through one's own socket.
  it('is refused where the conversation is missing, foreign, restricted or ended', async () => {
    const { family, conversation, socket } = await talking()
    const stranger = await makeFamily(server.api)
    const sibling = { ...family, childId: await createChild(server.api, family.token, { name: 'Noah' }) }
    const foreign = [newId(), await startConversation(server.api, stranger), await startConversation(server.api, sibling)]
    for (const conversation_id of foreign) expectErrorFrame(await ask(socket, { conversation_id, choice_index: 0 }), 'NOT_FOUND')
    for (const each of foreign.slice(1)) expect(await messagesOf(server, each)).toHaveLength(1)
    const restrict = (restricted_topics: string[]) =>
      server.api.patch(`/v1/children/${family.childId}`, { token: family.token, body: { settings: { restricted_topics } } })
    await restrict([TOPIC.space])
    expectErrorFrame(await ask(socket, { conversation_id: conversation, choice_index: 0 }), 'FORBIDDEN')
    await restrict([])
    await server.api.post(`/v1/conversations/${conversation}/end`, { token: family.token, child: family.childId })
    const ended = await ask(socket, { conversation_id: conversation, choice_index: 0 })
    expectErrorFrame(ended, 'CONFLICT')
    expect(ended.error.reason).toBe('ended')
    expect(await messagesOf(server, conversation)).toHaveLength(1)
  })

  it('is refused once the minutes are used or it is bedtime, in words for the child and with the reason', async () => {
    const { family, conversation, socket } = await talking()
    const limit = (settings: object) => server.api.patch(`/v1/children/${family.childId}`, { token: family.token, body: { settings } })
    await limit({ daily_time_limit_minutes: 0 })
    const late = await ask(socket, { conversation_id: conversation, choice_index: 0 })
    expectErrorFrame(late, 'TIME_LIMIT_REACHED')
    expect(late.error).toMatchObject({
      reason: 'time_limit',
      message: 'Daily time limit has been reached',
      child_message: "Great thinking today! Let's take a break and come back tomorrow!",
      child_animation: 'sleepy_mascot',
    })
    await limit({ daily_time_limit_minutes: 60, bedtime_start: '11:00', bedtime_end: '13:00' })
    const tired = await ask(socket, { conversation_id: conversation, choice_index: 0 })
    expectErrorFrame(tired, 'TIME_LIMIT_REACHED')
    expect(tired.error).toMatchObject({ reason: 'bedtime', child_animation: 'sleepy_mascot' })
    await limit({ bedtime_start: null, bedtime_end: null })
    expect((await ask(socket, { conversation_id: conversation, choice_index: 0 })).type).toBe('message_result')
  })

  it('for a child deleted meanwhile closes the socket with 4403', async () => {
    const { family, conversation, socket } = await talking()
    expect((await server.api.delete(`/v1/children/${family.childId}`, { token: family.token })).status).toBe(204)
    socket.raw.send(JSON.stringify({ type: 'message', conversation_id: conversation, choice_index: 0 }))
    expect(await socket.closed).toBe(4403)
  })
})

describe('turns by socket', () => {
  const open: TestServer[] = []
  const start = async (options: TestServerOptions) => {
    const server = await startTestServer(options)
    open.push(server)
    return { server, address: await server.listen() }
  }
  afterEach(async () => {
    for (const server of open.splice(0).reverse()) await server.close()
  })

  it('count with those by REST, thirty a minute, and the next is told when to try again', async () => {
    const { server, address } = await start({ env: { RATE_LIMIT_MULTIPLIER: '1' } })
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    const socket = await openChildSocket(address, family.token, family.childId)
    for (let turn = 0; turn < 15; turn += 1) {
      expectErrorFrame(await ask(socket, { conversation_id: conversation, choice_index: 9 }), 'INVALID_CHOICE')
      expectRefusal(await takeTurn(server.api, family, conversation, 9), 400, 'INVALID_CHOICE')
    }
    server.clock.advance(18_500)
    const refused = await ask(socket, { conversation_id: conversation, choice_index: 0 })
    expectErrorFrame(refused, 'RATE_LIMITED')
    expect(refused.error.retry_after).toBe(42)
    expectRefusal(await takeTurn(server.api, family, conversation), 429, 'RATE_LIMITED')
    expect(await messagesOf(server, conversation)).toHaveLength(1)
    server.clock.advance(41_500)
    expect((await ask(socket, { conversation_id: conversation, choice_index: 0 })).type).toBe('message_result')
  })

  it('two at once on one conversation give one answer and one conflict, by sockets or by both doors', async () => {
    const tutor = gatedTutor()
    const { server, address } = await start({ tutor })
    const family = await makeFamily(server.api)
    const [talk, other] = [await startConversation(server.api, family), await startConversation(server.api, family, TOPIC.animals)]
    const [tablet, phone] = [await openChildSocket(address, family.token, family.childId), await openChildSocket(address, family.token, family.childId)]
    tablet.send({ type: 'message', conversation_id: talk, content: 'How far is the Moon?', idempotency_key: 'tablet' })
    await tutor.asked(1)
    const busy = await ask(phone, { conversation_id: talk, content: 'And the Sun?' })
    expectErrorFrame(busy, 'CONFLICT')
    expectRefusal(await takeTurn(server.api, family, talk, 'And the Sun?'), 409, 'CONFLICT')
    const sameAgain = await ask(phone, { conversation_id: talk, content: 'How far is the Moon?', idempotency_key: 'tablet' })
    expectErrorFrame(sameAgain, 'CONFLICT')
    const race = [ask(tablet, { conversation_id: other, choice_index: 0 }), ask(phone, { conversation_id: other, choice_index: 0 })]
    await tutor.asked(2)
    expectErrorFrame(await Promise.race(race), 'CONFLICT')
    tutor.open()
    expect(await answerTo(tablet, 'tablet')).toMatchObject({ type: 'message_result', replayed: false })
    expect((await Promise.all(race)).map((frame) => frame.type).sort()).toEqual(['error', 'message_result'])
    for (const conversation of [talk, other]) expect((await messagesOf(server, conversation)).map((message) => message.seq)).toEqual([0, 1, 2])
  })

  // Attack: a socket that keeps the tutor busy with more and more conversations at a time.
  it('are answered at most four at a time for one socket', async () => {
    const tutor = gatedTutor()
    const { server, address } = await start({ tutor })
    const family = await makeFamily(server.api)
    const conversations: string[] = []
    for (let count = 0; count < 5; count += 1) conversations.push(await startConversation(server.api, family))
    const socket = await openChildSocket(address, family.token, family.childId)
    const running = conversations.slice(0, 4).map((conversation_id) => ask(socket, { conversation_id, choice_index: 0 }))
    await tutor.asked(4)
    const refused = await ask(socket, { conversation_id: conversations[4], choice_index: 0 })
    expectErrorFrame(refused, 'RATE_LIMITED')
    expect(refused.error.retry_after).toBe(1)
    tutor.open()
    expect((await Promise.all(running)).map((frame) => frame.type)).toEqual(Array(4).fill('message_result'))
    expect((await ask(socket, { conversation_id: conversations[4], choice_index: 0 })).type).toBe('message_result')
  })

  it('that the model fails tell so, end the typing, keep the message for a retry and nothing of it in the log', async () => {
    const tutor = gatedTutor('Let me ')
    const { server, address } = await start({ tutor })
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    const socket = await openChildSocket(address, family.token, family.childId)
    const content = 'Why does the canary-7391 sing?'
    tutor.fail(new Error(`no answer to ${content}`))
    const failed = await ask(socket, { conversation_id: conversation, content })
    expectErrorFrame(failed, 'SERVICE_UNAVAILABLE')
    expect(failed.error.retry_after).toBe(2)
    expect((await turnEvents(socket)).map((event) => event.type)).toEqual(['typing', 'message_chunk', 'typing'])
    expect((await messagesOf(server, conversation)).map((message) => message.content).slice(1)).toEqual([content])
    expect(server.logs.filter((line) => line.includes('"level":"error"'))).toHaveLength(1)
    expect(server.logs.filter((line) => line.includes('canary-7391'))).toEqual([])
    expect(await stateOf(socket)).toBe('open')
  })
})
