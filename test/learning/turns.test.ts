import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import { createChild, expectRefusal, type Family, makeFamily, onTheTablet, startConversation, TOPIC, takeTurn } from '../helpers/family.ts'
import { gatedTutor } from '../helpers/gated-tutor.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const messagesOf = (server: TestServer, conversationId: string) =>
  server.deps.db.prisma.message.findMany({ where: { conversationId }, orderBy: { seq: 'asc' } })

describe('a turn', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  it('stores what was said and what was answered, and costs four round trips', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    await takeTurn(server.api, family, conversation, 0)
    const { result: turn, roundTrips } = await server.deps.db.countRoundTrips(() => takeTurn(server.api, family, conversation, 1))
    expect(roundTrips).toBe(4)
    expect(turn.status).toBe(201)
    const { user_message: said, assistant_message: reply } = turn.body.data
    expect(said).toMatchObject({ role: 'user', selected_choice_index: 1, is_free_form: false })
    expect(reply).toMatchObject({ role: 'assistant', model: 'builtin', choices: [{ index: 0 }, { index: 1 }, { index: 2 }] })
    const stored = await messagesOf(server, conversation)
    expect(stored.map((message) => [message.seq, message.role])).toEqual([
      [0, 'assistant'],
      [1, 'user'],
      [2, 'assistant'],
      [3, 'user'],
      [4, 'assistant'],
    ])
    expect(stored[3]).toMatchObject({ id: said.id, content: said.content })
    expect(stored[4]).toMatchObject({ id: reply.id, content: reply.content, inReplyTo: said.id })
  })

  it('deepens by one point for a choice, two for a question on the topic, none for anything else', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    const turns = [
      { said: 'flibber wobble quux', depth: 0, increased: false },
      { said: 0, depth: 1, increased: true },
      { said: 'Why do stars twinkle?', depth: 2, increased: true },
      { said: 'Why do stars twinkle?', depth: 2, increased: false },
      { said: 0, depth: 2, increased: false },
      { said: 0, depth: 2, increased: false },
      { said: 0, depth: 3, increased: true },
    ]
    for (const { said, depth, increased } of turns) {
      const turn = await takeTurn(server.api, family, conversation, said)
      expect([turn.body.data.depth_level, turn.body.data.depth_increased], String(said)).toEqual([depth, increased])
    }
    const progress = await server.deps.db.prisma.topicProgress.findUniqueOrThrow({
      where: { childId_topicId: { childId: family.childId, topicId: TOPIC.space } },
    })
    expect(progress).toMatchObject({ depth: 3, conversationsCount: 1 })
  })

  it('never repeats a passage and reaches depth 10 in 21 taps', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family, TOPIC.animals)
    let depth = 0
    for (let tap = 0; tap < 21; tap += 1) depth = (await takeTurn(server.api, family, conversation, tap % 3)).body.data.depth_level
    expect(depth).toBe(10)
    const replies = (await messagesOf(server, conversation)).filter((message) => message.inReplyTo)
    expect(new Set(replies.map((reply) => reply.passage)).size).toBe(21)
    expect(new Set(replies.map((reply) => reply.content)).size).toBe(21)
    const badges = await server.deps.db.prisma.badge.findMany({ where: { childId: family.childId }, orderBy: { badgeId: 'asc' } })
    expect(badges.map((badge) => badge.badgeId)).toEqual([
      'animals_explorer_1',
      'animals_explorer_2',
      'animals_explorer_3',
      'curious_mind_10',
      'deep_thinker_10',
      'deep_thinker_5',
    ])
  })

  it('refuses a body that is neither a choice nor words, naming the field', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    const post = (body: unknown) => server.api.post(`/v1/conversations/${conversation}/messages`, { token: family.token, child: family.childId, body })
    expectRefusal(await post({}), 400, 'VALIDATION_ERROR', 'content')
    expectRefusal(await post({ choice_index: 0, content: 'both' }), 400, 'VALIDATION_ERROR', 'content')
    expectRefusal(await post({ choice_index: 0, is_free_form: true }), 400, 'VALIDATION_ERROR', 'is_free_form')
    expectRefusal(await post({ content: '   ' }), 400, 'VALIDATION_ERROR', 'content')
    expectRefusal(await post({ content: 'x'.repeat(1_001) }), 400, 'VALIDATION_ERROR', 'content')
    expectRefusal(await post({ content: 7 }), 400, 'VALIDATION_ERROR', 'content')
    expectRefusal(await post({ choice_index: 0.5 }), 400, 'VALIDATION_ERROR', 'choice_index')
    expectRefusal(await post({ content: 'hi', mood: 'good' }), 400, 'VALIDATION_ERROR', 'mood')
    for (const choice_index of [-1, 3, 2_000_000_000]) expectRefusal(await post({ choice_index }), 400, 'INVALID_CHOICE')
    expect(await messagesOf(server, conversation)).toHaveLength(1)
  })

  it('is refused where the conversation is missing, foreign, restricted or ended', async () => {
    const family = await makeFamily(server.api)
    const stranger = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    const path = `/v1/conversations/${conversation}/messages`
    expectRefusal(await takeTurn(server.api, family, newId()), 404, 'NOT_FOUND')
    expectRefusal(await takeTurn(server.api, family, 'not-a-uuid'), 400, 'VALIDATION_ERROR', 'conversation_id')
    expectRefusal(await takeTurn(server.api, stranger, conversation), 404, 'NOT_FOUND')
    expectRefusal(await server.api.post(path, { token: stranger.token, child: family.childId, body: { choice_index: 0 } }), 403, 'CHILD_ACCESS_DENIED')
    expectRefusal(await server.api.post(path, { body: { choice_index: 0 } }), 401, 'UNAUTHORIZED')
    const sibling = { ...family, childId: await createChild(server.api, family.token, { name: 'Noah' }) }
    expectRefusal(await takeTurn(server.api, sibling, conversation), 404, 'NOT_FOUND')

    const restrict = (restricted_topics: string[]) =>
      server.api.patch(`/v1/children/${family.childId}`, { token: family.token, body: { settings: { restricted_topics } } })
    await restrict([TOPIC.space])
    expectRefusal(await takeTurn(server.api, family, conversation), 403, 'FORBIDDEN')
    expectRefusal(await server.api.get(path, { token: family.token, child: family.childId }), 403, 'FORBIDDEN')
    expectRefusal(await server.api.post(`/v1/conversations/${conversation}/end`, { token: family.token, child: family.childId }), 403, 'FORBIDDEN')
    await restrict([])
    expect((await server.api.post(`/v1/conversations/${conversation}/end`, { token: family.token, child: family.childId })).status).toBe(200)
    expectRefusal(await takeTurn(server.api, family, conversation), 409, 'CONFLICT')
    expect(await messagesOf(server, conversation)).toHaveLength(1)
  })

  it('with the same Idempotency-Key comes back as it was, even after the conversation has ended', async () => {
    const family = await onTheTablet(server.api, await makeFamily(server.api))
    const conversation = await startConversation(server.api, family)
    const key = newId()
    const first = await takeTurn(server.api, family, conversation, 0, key)
    const again = await takeTurn(server.api, family, conversation, 0, key)
    expect(again.headers['idempotency-replayed']).toBe('true')
    expect(again.status).toBe(201)
    expect(again.body.data).toEqual(first.body.data)
    expectRefusal(await takeTurn(server.api, family, conversation, 1, key), 422, 'UNPROCESSABLE_ENTITY')
    await server.api.post(`/v1/conversations/${conversation}/end`, { token: family.token, child: family.childId })
    expect((await takeTurn(server.api, family, conversation, 0, key)).body.data).toEqual(first.body.data)
    expect(await messagesOf(server, conversation)).toHaveLength(3)
    server.clock.advance(24 * 3_600_000 + 1)
    expectRefusal(await takeTurn(server.api, family, conversation, 0, key), 409, 'CONFLICT')
  })

  it('replays the rewards it earned', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    for (let turn = 0; turn < 5; turn += 1) await takeTurn(server.api, family, conversation)
    const key = newId()
    const first = await takeTurn(server.api, family, conversation, 0, key)
    expect(first.body.data.rewards).toEqual([{ type: 'badge', id: 'space_explorer_1', name: 'Space Explorer', animation: 'badge_reveal' }])
    expect((await takeTurn(server.api, family, conversation, 0, key)).body.data.rewards).toEqual(first.body.data.rewards)
  })

  it('happens once when twenty devices send it with one key', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    const key = newId()
    const answers = await Promise.all(Array.from({ length: 20 }, () => takeTurn(server.api, family, conversation, 0, key)))
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set(answers.some((answer) => answer.status === 409) ? [201, 409] : [201]))
    const ids = new Set(answers.filter((answer) => answer.status === 201).map((answer) => answer.body.data.assistant_message.id))
    expect(ids.size).toBe(1)
    expect(await messagesOf(server, conversation)).toHaveLength(3)
  })

  it('in many at once on one conversation leaves every accepted one answered, in order, none doubled', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    const answers = await Promise.all(Array.from({ length: 12 }, () => takeTurn(server.api, family, conversation, 0)))
    const accepted = answers.filter((answer) => answer.status === 201)
    expect(accepted.length).toBeGreaterThan(0)
    for (const answer of answers) expect([201, 409]).toContain(answer.status)
    const stored = await messagesOf(server, conversation)
    expect(stored.map((message) => message.seq)).toEqual(Array.from({ length: 1 + 2 * accepted.length }, (_, seq) => seq))
    expect(stored.filter((message) => message.inReplyTo)).toHaveLength(accepted.length)
  })

  it('in ten conversations at once counts every turn and gives a badge once', async () => {
    const family = await makeFamily(server.api)
    const conversations = []
    for (let count = 0; count < 10; count += 1) conversations.push(await startConversation(server.api, family))
    server.clock.advance(30_000)
    const answers = await Promise.all(conversations.map((conversation) => takeTurn(server.api, family, conversation)))
    for (const answer of answers) expect(answer.status, answer.text).toBe(201)
    const badges = answers.flatMap((answer) => answer.body.data.rewards.map((reward: { id: string }) => reward.id))
    expect(badges).toEqual(['curious_mind_10'])
    const { prisma } = server.deps.db
    expect(await prisma.learner.findUniqueOrThrow({ where: { childId: family.childId } })).toMatchObject({ childTurns: 10 })
    const [day] = await prisma.topicDay.findMany({ where: { childId: family.childId } })
    expect(day).toMatchObject({ turns: 10, timeMs: 30_000 })
  })
})

describe('the time rules', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  const limitTo = (family: Family, settings: object) => server.api.patch(`/v1/children/${family.childId}`, { token: family.token, body: { settings } })

  it('close the day once the minutes are used, on all devices together', async () => {
    const family = await onTheTablet(server.api, await makeFamily(server.api, { settings: { daily_time_limit_minutes: 5 } }))
    const [tablet, phone] = [await startConversation(server.api, family), await startConversation(server.api, family, TOPIC.animals)]
    for (let minute = 0; minute < 2; minute += 1) {
      server.clock.advance(60_000)
      expect((await takeTurn(server.api, family, tablet)).status).toBe(201)
      server.clock.advance(60_000)
      expect((await takeTurn(server.api, family, phone)).status).toBe(201)
    }
    server.clock.advance(60_000)
    const refused = await takeTurn(server.api, family, tablet)
    expectRefusal(refused, 403, 'TIME_LIMIT_REACHED')
    expect(refused.body.error).toMatchObject({
      reason: 'time_limit',
      child_message: expect.stringContaining('Great thinking today'),
      child_animation: 'sleepy_mascot',
    })
    expectRefusal(
      await server.api.post('/v1/conversations', { token: family.token, child: family.childId, body: { topic_id: TOPIC.space } }),
      403,
      'TIME_LIMIT_REACHED',
    )
    const days = await server.deps.db.prisma.topicDay.findMany({ where: { childId: family.childId } })
    expect(days.reduce((sum, day) => sum + day.timeMs, 0)).toBe(4 * 60_000)
    server.clock.advance(24 * 3_600_000)
    expect((await takeTurn(server.api, family, tablet)).status).toBe(201)
  })

  it('count a long pause as two minutes', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    server.clock.advance(45 * 60_000)
    await takeTurn(server.api, family, conversation)
    const [day] = await server.deps.db.prisma.topicDay.findMany({ where: { childId: family.childId } })
    expect(day?.timeMs).toBe(120_000)
  })

  it('close the day at once with a limit of zero, and open it again when the parent says so', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    await limitTo(family, { daily_time_limit_minutes: 0 })
    expectRefusal(await takeTurn(server.api, family, conversation), 403, 'TIME_LIMIT_REACHED')
    await limitTo(family, { daily_time_limit_minutes: 30 })
    expect((await takeTurn(server.api, family, conversation)).status).toBe(201)
  })

  it('say bedtime from the start to the end of the night, also over midnight', async () => {
    const parent = await makeFamily(server.api, { timezone: 'Europe/Berlin', settings: { bedtime_start: '19:30', bedtime_end: '07:00' } })
    const family = await onTheTablet(server.api, parent)
    const conversation = await startConversation(server.api, family)
    for (const [at, status] of [
      ['2026-11-25T18:29:59Z', 201],
      ['2026-11-25T18:30:00Z', 403],
      ['2026-11-26T03:00:00Z', 403],
      ['2026-11-26T05:59:59Z', 403],
      ['2026-11-26T06:00:00Z', 201],
    ] as const) {
      server.clock.set(at)
      const turn = await takeTurn(server.api, family, conversation)
      expect(turn.status, at).toBe(status)
      if (status === 403)
        expect(turn.body.error).toMatchObject({ code: 'TIME_LIMIT_REACHED', reason: 'bedtime', child_message: expect.stringContaining('Sleep tight') })
    }
  })
})

describe('a turn that breaks', () => {
  const servers: TestServer[] = []
  const start = async (...options: Parameters<typeof startTestServer>) => {
    const server = await startTestServer(...options)
    servers.push(server)
    return server
  }
  afterEach(async () => {
    for (const server of servers.splice(0).reverse()) await server.close()
  })

  it('keeps a second one out until it is done', async () => {
    const tutor = gatedTutor()
    const server = await start({ tutor })
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    const first = takeTurn(server.api, family, conversation, 'How far is the Moon?')
    await tutor.asked(1)
    expectRefusal(await takeTurn(server.api, family, conversation, 'And the Sun?'), 409, 'CONFLICT')
    expectRefusal(await server.api.post(`/v1/conversations/${conversation}/end`, { token: family.token, child: family.childId }), 409, 'CONFLICT')
    tutor.open()
    expect((await first).status).toBe(201)
    expect((await takeTurn(server.api, family, conversation, 'And the Sun?')).status).toBe(201)
  })

  it('leaves the message stored when the model fails, and a retry answers it without a second one', async () => {
    const broken = gatedTutor()
    broken.fail(new Error('the model is gone'))
    const failing = await start({ tutor: broken })
    const family = await makeFamily(failing.api)
    const conversation = await startConversation(failing.api, family)
    expectRefusal(await takeTurn(failing.api, family, conversation, 'Why do stars twinkle?'), 503, 'SERVICE_UNAVAILABLE')
    expect((await messagesOf(failing, conversation)).map((message) => message.content).slice(1)).toEqual(['Why do stars twinkle?'])

    const working = await start({ databaseUrl: failing.databaseUrl, dataDir: failing.dataDir, clock: failing.clock })
    const answered = await takeTurn(working.api, family, conversation, 'Why do stars twinkle?')
    expect(answered.status).toBe(201)
    expect((await messagesOf(working, conversation)).map((message) => message.role)).toEqual(['assistant', 'user', 'assistant'])
    const day = await working.deps.db.prisma.topicDay.findFirstOrThrow({ where: { childId: family.childId } })
    expect(day.turns).toBe(1)
  })

  it('keeps both messages when the child says something else after a failure', async () => {
    const broken = gatedTutor()
    broken.fail(new Error('the model is gone'))
    const failing = await start({ tutor: broken })
    const family = await makeFamily(failing.api)
    const conversation = await startConversation(failing.api, family)
    const key = newId()
    await takeTurn(failing.api, family, conversation, 'Why do stars twinkle?', key)
    const working = await start({ databaseUrl: failing.databaseUrl, dataDir: failing.dataDir, clock: failing.clock })
    expect((await takeTurn(working.api, family, conversation, 'How big is the Sun?')).status).toBe(201)
    expect((await messagesOf(working, conversation)).map((message) => message.role)).toEqual(['assistant', 'user', 'user', 'assistant'])
    expectRefusal(await takeTurn(working.api, family, conversation, 'Why do stars twinkle?', key), 409, 'CONFLICT')
  })

  it('is taken over after fifteen seconds when its process dies; the dead one, coming back, changes nothing', async () => {
    const tutor = gatedTutor()
    const dying = await start({ tutor })
    const family = await makeFamily(dying.api)
    const conversation = await startConversation(dying.api, family)
    const key = newId()
    const lost = takeTurn(dying.api, family, conversation, 'Why do stars twinkle?', key)
    await tutor.asked(1)

    const other = await start({ databaseUrl: dying.databaseUrl, dataDir: dying.dataDir, clock: dying.clock })
    expectRefusal(await takeTurn(other.api, family, conversation, 'Why do stars twinkle?', key), 409, 'CONFLICT')
    dying.clock.advance(15_001)
    const [stored] = (await messagesOf(dying, conversation)).slice(1)
    const resumed = await takeTurn(other.api, family, conversation, 'Why do stars twinkle?', key)
    expect(resumed.status, resumed.text).toBe(201)
    expect(resumed.body.data.user_message.id).toBe(stored?.id)

    tutor.open()
    expectRefusal(await lost, 409, 'CONFLICT')
    const messages = await messagesOf(other, conversation)
    expect(messages.map((message) => [message.role, message.id])).toEqual([
      ['assistant', messages[0]?.id],
      ['user', stored?.id],
      ['assistant', resumed.body.data.assistant_message.id],
    ])
    expect((await takeTurn(other.api, family, conversation, 'Why do stars twinkle?', key)).body.data).toEqual(resumed.body.data)
  })
})
