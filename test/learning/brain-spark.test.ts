import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AGE_GROUPS } from '../../src/family/age-groups.ts'
import { pickSpark } from '../../src/learning/brain-spark/daily-spark.ts'
import { SPARK_TYPES } from '../../src/learning/content/curriculum.schema.ts'
import { newId } from '../../src/platform/ids.ts'
import { curriculum } from '../helpers/curriculum.ts'
import { expectRefusal, type Family, makeFamily, onTheTablet, startConversation, TOPIC, takeTurn } from '../helpers/family.ts'
import { tooHard } from '../helpers/readability.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const DAY_MS = 86_400_000

describe('the sparks', () => {
  it('are 120 at least, enough for 60 days without repeating in each voice, of every type', () => {
    expect(AGE_GROUPS.flatMap((ageGroup) => curriculum.sparksOf(ageGroup)).length).toBeGreaterThanOrEqual(120)
    for (const ageGroup of AGE_GROUPS) {
      const sparks = curriculum.sparksOf(ageGroup)
      expect(sparks.length).toBeGreaterThan(60)
      expect(new Set(sparks.map((spark) => spark.question)).size).toBe(sparks.length)
      expect(new Set(sparks.map((spark) => spark.type))).toEqual(new Set(SPARK_TYPES))
    }
  })

  it('read with ease at their age, lead to three passages of their voice, and belong to topics that are open from the start', () => {
    for (const ageGroup of AGE_GROUPS) {
      for (const spark of curriculum.sparksOf(ageGroup)) {
        for (const text of [spark.question, ...spark.hints, spark.reply.join('')]) expect(tooHard(text, ageGroup), `${spark.key}: ${text}`).toEqual([])
        expect(new Set(spark.leadsTo).size).toBe(3)
        for (const key of spark.leadsTo) expect(curriculum.passage(key)?.ageGroup, `${spark.key} leads to ${key}`).toBe(ageGroup)
        expect(spark.topic.prerequisites).toEqual([])
      }
    }
  })

  it('are picked by the child and what it has seen, the same each time, never one of the last 60 days, never a restricted one', () => {
    const sparks = curriculum.sparksOf('wonder_cubs')
    const children = Array.from({ length: 20 }, () => newId())
    const first = children.map((child) => pickSpark(child, sparks, [], () => true)?.key)
    expect(children.map((child) => pickSpark(child, sparks, [], () => true)?.key)).toEqual(first)
    expect(new Set(first).size).toBeGreaterThan(5)
    for (const child of children) {
      const shown: string[] = []
      for (let day = 0; day < 200; day += 1) {
        const spark = pickSpark(child, sparks, shown.slice(0, 60), (candidate) => candidate.topic.slug !== 'space')
        expect(spark?.topic.slug).not.toBe('space')
        expect(shown.slice(0, 60)).not.toContain(spark?.key)
        shown.unshift(spark?.key as string)
      }
    }
    expect(pickSpark(newId(), sparks, [], () => false)).toBeUndefined()
  })
})

describe('the spark of the day', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  const spark = (family: Family) => server.api.get('/v1/brain-spark', { token: family.token, child: family.childId })
  const startSpark = async (family: Family, topicId?: string) =>
    server.api.post('/v1/conversations', {
      token: family.token,
      child: family.childId,
      body: { conversation_type: 'brain_spark', ...(topicId && { topic_id: topicId }) },
    })
  const complete = (family: Family, sparkId: string, conversationId: string) =>
    server.api.post(`/v1/brain-spark/${sparkId}/complete`, { token: family.token, child: family.childId, body: { conversation_id: conversationId } })
  const stars = async (family: Family) => (await server.deps.db.prisma.wallet.findUniqueOrThrow({ where: { childId: family.childId } })).balance

  /** Talks about today's spark and completes it. */
  async function doSpark(family: Family, said: string | number = 'I think it is magic') {
    const { id } = (await spark(family)).body.data
    const conversation = (await startSpark(family)).body.data.conversation_id
    expect((await takeTurn(server.api, family, conversation, said)).status).toBe(201)
    return { id, conversation, completed: await complete(family, id, conversation) }
  }

  it('is one for the day, in at most two round trips, and the conversation about it opens with its question', async () => {
    const family = await makeFamily(server.api)
    const first = await spark(family)
    expect(first.body.data).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      date: '2026-11-21',
      spark_type: expect.any(String),
      question: expect.any(String),
      hints: [expect.any(String), expect.any(String)],
      already_completed: false,
      streak_at_risk: false,
      topic: { id: expect.any(String), name: expect.any(String) },
      icon: expect.any(String),
    })
    const { result: again, roundTrips } = await server.deps.db.countRoundTrips(() => spark(family))
    expect(again.body.data).toEqual(first.body.data)
    expect(roundTrips).toBeLessThanOrEqual(2)
    const started = await startSpark(family)
    expect(started.status, started.text).toBe(201)
    expect(started.body.data.opening_message.content).toMatch(/^Hello Emma!/)
    expect(started.body.data.opening_message.content).toContain(first.body.data.question)
    expect(started.body.data.opening_message.choices).toHaveLength(3)
    expect(started.body.data.topic).toEqual(first.body.data.topic)
  })

  it('is the same for ten devices that ask together', async () => {
    const family = await makeFamily(server.api)
    const answers = await Promise.all(Array.from({ length: 10 }, () => spark(family)))
    expect(new Set(answers.map((answer) => answer.body.data.id)).size).toBe(1)
    expect(new Set(answers.map((answer) => answer.body.data.question)).size).toBe(1)
  })

  it('takes whatever the child says as an answer, once; a question is answered as a question', async () => {
    const family = await makeFamily(server.api)
    const { id } = (await spark(family)).body.data
    const key = (await server.deps.db.prisma.dailySpark.findUniqueOrThrow({ where: { id } })).sparkKey
    const conversation = (await startSpark(family)).body.data.conversation_id
    const asked = await takeTurn(server.api, family, conversation, 'Why do stars twinkle?')
    expect(asked.body.data.assistant_message.content).toMatch(/twinkle/)
    const answered = await takeTurn(server.api, family, conversation, 'My cat would say meow to the moon')
    expect(answered.body.data.assistant_message.content).toBe(curriculum.spark(key)?.reply.join(''))
    expect(answered.body.data.assistant_message.choices).toHaveLength(3)
    const after = await takeTurn(server.api, family, conversation, 'blorp zzzt')
    expect(after.body.data.assistant_message.content).not.toBe(answered.body.data.assistant_message.content)
    const ended = await server.api.post(`/v1/conversations/${conversation}/end`, { token: family.token, child: family.childId })
    expect(ended.body.data.summary).toContain("today's spark")
  })

  it('pays five stars once, tells the streak, and the same again', async () => {
    const family = await makeFamily(server.api)
    const { id, conversation, completed } = await doSpark(family)
    expect(completed.status, completed.text).toBe(200)
    expect(completed.body.data).toEqual({
      completed: true,
      rewards: [{ type: 'star', amount: 5 }],
      streak_update: { previous: 0, current: 1, milestone_reached: null },
    })
    expect((await complete(family, id, conversation)).body.data).toEqual(completed.body.data)
    expect(await stars(family)).toBe(5)
    expect((await spark(family)).body.data.already_completed).toBe(true)
  })

  it('pays once when a hundred completions come together', async () => {
    const family = await makeFamily(server.api)
    const { id } = (await spark(family)).body.data
    const conversation = (await startSpark(family)).body.data.conversation_id
    await takeTurn(server.api, family, conversation, 0)
    const answers = await Promise.all(Array.from({ length: 100 }, () => complete(family, id, conversation)))
    expect(answers.filter((answer) => answer.status === 200 || answer.status === 503)).toHaveLength(100)
    expect(answers.some((answer) => answer.status === 200)).toBe(true)
    expect(await stars(family)).toBe(5)
    expect(await server.deps.db.prisma.starEntry.count({ where: { childId: family.childId } })).toBe(1)
  })

  it('refuses another conversation, one without a turn, one of another child, and a spark that is not there', async () => {
    const family = await makeFamily(server.api)
    const other = await makeFamily(server.api)
    const { id } = (await spark(family)).body.data
    const exploration = await startConversation(server.api, family)
    await takeTurn(server.api, family, exploration)
    expectRefusal(await complete(family, id, exploration), 422, 'UNPROCESSABLE_ENTITY')
    const conversation = (await startSpark(family)).body.data.conversation_id
    const unanswered = await complete(family, id, conversation)
    expectRefusal(unanswered, 422, 'UNPROCESSABLE_ENTITY')
    expect(unanswered.body.error.child_message).toBe('Tell me what you think first!')
    expectRefusal(await complete(family, id, (await startSpark(other)).body.data.conversation_id), 404, 'NOT_FOUND')
    expectRefusal(await complete(family, newId(), conversation), 404, 'NOT_FOUND')
    expectRefusal(await complete(other, id, conversation), 404, 'NOT_FOUND')
    expectRefusal(await complete(family, id, 'nonsense'), 400, 'VALIDATION_ERROR', 'conversation_id')
    expectRefusal(await complete(family, 'nonsense', conversation), 400, 'VALIDATION_ERROR', 'spark_id')
    expectRefusal(await server.api.get('/v1/brain-spark'), 401, 'UNAUTHORIZED')
    expectRefusal(await server.api.get('/v1/brain-spark', { token: family.token }), 400, 'VALIDATION_ERROR', 'X-Child-ID')
    expect(await stars(family)).toBe(0)
  })

  it('vanishes with its topic when the parent restricts it, and never comes from a restricted one', async () => {
    const family = await makeFamily(server.api)
    const before = (await spark(family)).body.data
    await server.api.patch(`/v1/children/${family.childId}`, { token: family.token, body: { settings: { restricted_topics: [before.topic.id] } } })
    const after = (await spark(family)).body.data
    expect(after.topic.id).not.toBe(before.topic.id)
    expect(after.id).toBe(before.id)
    const all = [...new Set(curriculum.sparksOf('curious_explorers').map((candidate) => candidate.topic.id))]
    await server.api.patch(`/v1/children/${family.childId}`, { token: family.token, body: { settings: { restricted_topics: all } } })
    expectRefusal(await spark(family), 404, 'NOT_FOUND')
    expectRefusal(await startSpark(family), 404, 'NOT_FOUND')
  })

  it('may be completed after midnight when it was talked about in time', async () => {
    const family = await onTheTablet(server.api, await makeFamily(server.api))
    server.clock.set('2026-11-22T04:58:00Z')
    const { id } = (await spark(family)).body.data
    const conversation = (await startSpark(family)).body.data.conversation_id
    await takeTurn(server.api, family, conversation, 'a dragon')
    server.clock.set('2026-11-22T05:01:00Z')
    expect((await spark(family)).body.data).toMatchObject({ date: '2026-11-22', already_completed: false, streak_at_risk: true })
    expect((await complete(family, id, conversation)).status).toBe(200)
    const tomorrow = (await spark(family)).body.data
    expectRefusal(await complete(family, tomorrow.id, conversation), 422, 'UNPROCESSABLE_ENTITY')
  })

  it('is completed wherever the family has travelled since, and by its id in capitals', async () => {
    server.clock.set('2026-11-22T02:00:00Z')
    const family = await makeFamily(server.api)
    const { id } = (await spark(family)).body.data
    const conversation = (await startSpark(family)).body.data.conversation_id
    await takeTurn(server.api, family, conversation, 'a dragon')
    await server.api.patch('/v1/parents/me', { token: family.token, body: { timezone: 'Europe/Berlin' } })
    expect((await complete(family, id.toUpperCase(), conversation)).status).toBe(200)
    server.clock.set('2026-11-21T17:00:00Z')
  })

  it('tells the streak of its own day, also when the next one has counted before it is completed', async () => {
    const family = await onTheTablet(server.api, await makeFamily(server.api))
    server.clock.set('2026-11-24T17:00:00Z')
    await takeTurn(server.api, family, await startConversation(server.api, family))
    server.clock.set('2026-11-26T04:50:00Z')
    const { id } = (await spark(family)).body.data
    const conversation = (await startSpark(family)).body.data.conversation_id
    await takeTurn(server.api, family, conversation, 'a dragon')
    server.clock.set('2026-11-26T05:01:00Z')
    await takeTurn(server.api, family, conversation)
    expect((await complete(family, id, conversation)).body.data.streak_update).toEqual({ previous: 1, current: 2, milestone_reached: null })
  })

  it('a day builds a streak whose third and seventh day are milestones with their badges, told by the turn', async () => {
    const family = await onTheTablet(server.api, await makeFamily(server.api))
    for (let day = 1; day <= 7; day += 1) {
      server.clock.set(Date.parse('2026-12-01T17:00:00Z') + day * DAY_MS)
      const { id } = (await spark(family)).body.data
      const conversation = (await startSpark(family)).body.data.conversation_id
      const turn = await takeTurn(server.api, family, conversation, 0)
      const badges = turn.body.data.rewards.map((reward: { id: string }) => reward.id)
      expect(badges.filter((badge: string) => badge.startsWith('streak_'))).toEqual(day === 3 ? ['streak_3'] : day === 7 ? ['streak_7'] : [])
      const { streak_update } = (await complete(family, id, conversation)).body.data
      const milestone = day === 3 || day === 7 ? { days: day, reward: { type: 'badge', id: `streak_${day}` } } : null
      expect(streak_update).toEqual({ previous: day - 1, current: day, milestone_reached: milestone })
    }
    expect(await stars(family)).toBeGreaterThanOrEqual(35)
    const { data } = (await server.api.get('/v1/streaks', { token: family.token, child: family.childId })).body
    expect(data).toMatchObject({
      current_streak: 7,
      longest_streak: 7,
      last_activity_date: '2026-12-08',
      streak_freezes_available: 3,
      next_milestone: { days: 14, reward: { type: 'badge', id: 'two_week_wonder' } },
    })
    expect(data.history).toHaveLength(30)
    expect(data.history.slice(0, 2)).toEqual([
      { date: '2026-12-08', active: true, frozen: false, streak: 7 },
      { date: '2026-12-07', active: true, frozen: false, streak: 6 },
    ])
  })

  it('may take place in another open topic, and not in a locked one', async () => {
    const family = await makeFamily(server.api)
    expect((await startSpark(family, TOPIC.animals)).body.data.topic.id).toBe(TOPIC.animals)
    expectRefusal(await startSpark(family, TOPIC.blackHoles), 422, 'UNPROCESSABLE_ENTITY')
  })
})
