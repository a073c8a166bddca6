import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import { expectRefusal, makeFamily, startConversation, TOPIC, takeTurn } from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

describe('starting a conversation', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  const start = (family: { token: string; childId: string }, body: unknown, key?: string) =>
    server.api.post('/v1/conversations', { token: family.token, child: family.childId, body, key })

  it('greets the child by name with three choices, in three round trips', async () => {
    const family = await makeFamily(server.api)
    await startConversation(server.api, family)
    const { result: response, roundTrips } = await server.deps.db.countRoundTrips(() =>
      start(family, { topic_id: TOPIC.space, conversation_type: 'exploration' }),
    )
    expect(roundTrips).toBe(3)
    expect(response.status).toBe(201)
    const { opening_message: opening, topic, depth_level, conversation_id } = response.body.data
    expect(topic).toEqual({ id: TOPIC.space, name: 'Space' })
    expect(depth_level).toBe(0)
    expect(opening).toMatchObject({ role: 'assistant', content: expect.stringContaining('Emma') })
    expect(opening.choices.map((choice: { index: number }) => choice.index)).toEqual([0, 1, 2])
    const history = await server.api.get(`/v1/conversations/${conversation_id}/messages`, { token: family.token, child: family.childId })
    expect(history.body.data).toEqual([opening])
  })

  it('speaks in the voice of the age group', async () => {
    const openings = new Set()
    for (const birthDate of ['2021-05-15', '2018-05-15', '2015-05-15']) {
      const family = await makeFamily(server.api, { birthDate })
      openings.add((await start(family, { topic_id: TOPIC.space })).body.data.opening_message.content)
    }
    expect(openings.size).toBe(3)
  })

  it('welcomes a child back with ways it has not been', async () => {
    const family = await makeFamily(server.api)
    const first = await start(family, { topic_id: TOPIC.space })
    await takeTurn(server.api, family, first.body.data.conversation_id, 0)
    const again = await start(family, { topic_id: TOPIC.space })
    expect(again.body.data.opening_message.content).not.toBe(first.body.data.opening_message.content)
    const taken = first.body.data.opening_message.choices[0].text
    expect(again.body.data.opening_message.choices.map((choice: { text: string }) => choice.text)).not.toContain(taken)
  })

  it('is refused in the order of refusals', async () => {
    const family = await makeFamily(server.api, { settings: { restricted_topics: [TOPIC.physics], daily_time_limit_minutes: 0 } })
    const stranger = await makeFamily(server.api)
    expectRefusal(await server.api.post('/v1/conversations', { body: { topic_id: 'x' } }), 401, 'UNAUTHORIZED')
    expectRefusal(await server.api.post('/v1/conversations', { token: family.token, body: { topic_id: TOPIC.space } }), 400, 'VALIDATION_ERROR', 'X-Child-ID')
    expectRefusal(
      await server.api.post('/v1/conversations', { token: stranger.token, child: family.childId, body: { topic_id: 'x' } }),
      403,
      'CHILD_ACCESS_DENIED',
    )
    expectRefusal(await start(family, { topic_id: 'x' }), 400, 'VALIDATION_ERROR', 'topic_id')
    expectRefusal(await start(family, { topic_id: TOPIC.space, conversation_type: 'quiz' }), 400, 'VALIDATION_ERROR', 'conversation_type')
    expectRefusal(await start(family, {}), 400, 'VALIDATION_ERROR', 'topic_id')
    expectRefusal(await start(family, { topic_id: newId() }), 404, 'NOT_FOUND')
    expectRefusal(await start(family, { topic_id: TOPIC.physics }), 403, 'FORBIDDEN')
    expectRefusal(await start(family, { topic_id: TOPIC.blackHoles }), 403, 'TIME_LIMIT_REACHED')
    const locked = await start(stranger, { topic_id: TOPIC.blackHoles })
    expectRefusal(locked, 422, 'UNPROCESSABLE_ENTITY')
    expect(locked.body.error).toMatchObject({ reason: 'locked', child_message: 'Explore Space to depth 5 to open Black Holes!' })
    expect(await server.deps.db.prisma.conversation.count({ where: { childId: { in: [family.childId, stranger.childId] } } })).toBe(0)
  })

  it('opens a locked topic once its prerequisite is met', async () => {
    const family = await makeFamily(server.api)
    const space = await startConversation(server.api, family)
    for (let turn = 0; turn < 11; turn += 1) await takeTurn(server.api, family, space)
    expect((await start(family, { topic_id: TOPIC.blackHoles })).status).toBe(201)
  })

  it('with one Idempotency-Key begins once, however often it is sent', async () => {
    const family = await makeFamily(server.api)
    const key = newId()
    const answers = await Promise.all(Array.from({ length: 8 }, () => start(family, { topic_id: TOPIC.space }, key)))
    const started = answers.filter((answer) => answer.status === 201)
    expect(new Set(started.map((answer) => answer.body.data.conversation_id)).size).toBe(1)
    for (const answer of answers) expect([201, 409]).toContain(answer.status)
    expect(await server.deps.db.prisma.conversation.count({ where: { childId: family.childId } })).toBe(1)
    expectRefusal(await start(family, { topic_id: TOPIC.animals }, key), 422, 'UNPROCESSABLE_ENTITY')
  })
})

describe('the history of a conversation', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  it('comes in pages, newest page first, oldest message first inside it', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    for (let turn = 0; turn < 4; turn += 1) await takeTurn(server.api, family, conversation)
    const page = (query: string) => server.api.get(`/v1/conversations/${conversation}/messages${query}`, { token: family.token, child: family.childId })
    const { result: whole, roundTrips } = await server.deps.db.countRoundTrips(() => page(''))
    expect(roundTrips).toBe(2)
    expect(whole.body.meta).toMatchObject({ has_more: false, cursor: null })
    expect(whole.body.data.map((message: { role: string }) => message.role)).toEqual(['assistant', ...Array(4).fill(['user', 'assistant'])].flat())

    const pages = []
    let cursor: string | null = null
    do {
      const response = await page(`?limit=4${cursor ? `&before=${cursor}` : ''}`)
      pages.unshift(...response.body.data)
      cursor = response.body.meta.cursor
      expect(response.body.meta.has_more).toBe(cursor !== null)
    } while (cursor)
    expect(pages).toEqual(whole.body.data)
  })

  it('refuses bad limits and cursors, and other people', async () => {
    const family = await makeFamily(server.api)
    const stranger = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    const path = `/v1/conversations/${conversation}/messages`
    const caller = { token: family.token, child: family.childId }
    for (const limit of ['0', '101', 'x', '1.5']) expectRefusal(await server.api.get(`${path}?limit=${limit}`, caller), 400, 'VALIDATION_ERROR', 'limit')
    for (const before of ['nonsense', 'eyJhIjoxfQ', 'LTE'])
      expectRefusal(await server.api.get(`${path}?before=${before}`, caller), 400, 'VALIDATION_ERROR', 'before')
    expectRefusal(await server.api.get(`${path}?colour=red`, caller), 400, 'VALIDATION_ERROR', 'colour')
    expectRefusal(await server.api.get(path, { token: stranger.token, child: stranger.childId }), 404, 'NOT_FOUND')
    expectRefusal(await server.api.get(path), 401, 'UNAUTHORIZED')
  })
})
