import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SKILLS } from '../../src/learning/progress/growth.ts'
import { DAY } from '../../src/platform/clock.ts'
import { newId } from '../../src/platform/ids.ts'
import { anotherDevice } from '../helpers/accounts.ts'
import { childToken, createChild, expectRefusal, type Family, makeFamily, startConversation, TOPIC, takeTurn } from '../helpers/family.ts'
import { holdRows } from '../helpers/row-lock.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const MINUTE_MS = 60_000
const WHY = 'Why do stars twinkle?'
const BIG = 'How big is the Sun?'
/** Two skills at once. */
const BOTH = 'Why is the Sun hot, because it must be burning?'

interface Item {
  readonly message_id: string
  readonly skill: string
  readonly content: string
  readonly points: number
  readonly score_without: number
  readonly dismissed_at: string | null
}

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.close())

const growthPath = (family: Family) => `/v1/dashboard/children/${family.childId}/growth`
const growth = (family: Family, query = '') => server.api.get(`${growthPath(family)}${query}`, { token: family.token })
const dismiss = (family: Family, messageId: string, body: object, key?: string) =>
  server.api.post(`${growthPath(family)}/${messageId}/dismiss`, { token: family.token, body, ...(key && { key }) })
const activity = async (family: Family, period = 'week') =>
  (await server.api.get(`/v1/dashboard/children/${family.childId}/activity?period=${period}`, { token: family.token })).body.data.cognitive_growth

/** The scores and their change, without what else the explanation tells of them. */
const asActivity = (explained: Record<string, { score: number; change: number }>) =>
  Object.fromEntries(Object.entries(explained).map(([skill, { score, change }]) => [skill, { score, change }]))

/** Takes turns a minute apart in a new conversation; its id. */
async function talk(family: Family, ...said: (number | string)[]): Promise<string> {
  const conversation = await startConversation(server.api, family)
  for (const words of said) {
    server.clock.advance(MINUTE_MS)
    expect((await takeTurn(server.api, family, conversation, words)).status).toBe(201)
  }
  return conversation
}

/** The first item of what the child said. */
const itemOf = async (family: Family, content: string, skill = 'critical_thinking'): Promise<Item> => {
  const items: Item[] = (await growth(family, '?limit=100')).body.data.evidence
  const item = items.find((candidate) => candidate.content === content && candidate.skill === skill)
  expect(item, JSON.stringify(items)).toBeDefined()
  return item as Item
}

/** The family some days later, the parent signed in again. */
async function daysLater(family: Family, days: number): Promise<Family> {
  server.clock.advance(days * DAY)
  return { ...family, ...(await anotherDevice(server.api, family)) }
}

describe('growth explained', () => {
  it('tells which turns make each score, newest first, in two round trips', async () => {
    const family = await makeFamily(server.api)
    const conversation = await talk(family, WHY, BIG)
    const { result, roundTrips } = await server.deps.db.countRoundTrips(() => growth(family))
    expect(roundTrips).toBe(2)
    const { data, meta } = result.body
    expect([data.child, data.period]).toEqual([{ id: family.childId, name: 'Emma' }, 'week'])
    expect([meta.has_more, meta.cursor]).toEqual([false, null])
    expect(Object.keys(data.cognitive_growth)).toEqual([...SKILLS])
    expect(data.cognitive_growth.critical_thinking).toEqual({ score: 2, change: 2, gained: 2, faded: 0 })
    expect(data.cognitive_growth.creative_thinking).toEqual({ score: 0, change: 0, gained: 0, faded: 0 })
    const common = {
      ...{ message_id: expect.any(String), conversation_id: conversation, topic: { id: TOPIC.space, name: 'Space' }, own_words: true },
      ...{ weight: 1, weight_now: 1, points: 2.469, score_without: 0, in_period: true, dismissed_at: null },
    }
    expect(data.evidence).toEqual([
      { ...common, skill: 'logical_reasoning', timestamp: '2026-11-21T17:02:00Z', content: BIG, signs: ['counted or measured'] },
      { ...common, skill: 'critical_thinking', timestamp: '2026-11-21T17:01:00Z', content: WHY, signs: ['asked why or how'] },
    ])
  })

  it('has the scores of activity, and points that add up to them, choices too', async () => {
    const family = await makeFamily(server.api)
    await talk(family, WHY, 0, 1, 2, BIG, BOTH, 0)
    await talk(family, WHY, 'Why is the Sun yellow?', 0)
    for (const period of ['day', 'week', 'month']) {
      const { cognitive_growth, evidence } = (await growth(family, `?period=${period}&limit=100`)).body.data
      expect(asActivity(cognitive_growth)).toEqual(await activity(family, period))
      for (const skill of SKILLS) {
        const points = evidence.filter((item: Item) => item.skill === skill).reduce((sum: number, item: Item) => sum + item.points, 0)
        expect(Math.round(points), skill).toBe(cognitive_growth[skill].score)
      }
    }
    const chosen = (await growth(family, '?limit=100')).body.data.evidence.filter((item: { own_words: boolean }) => !item.own_words)
    expect(chosen.length).toBeGreaterThan(0)
    for (const { weight, signs } of chosen) expect([weight, signs.length > 0]).toEqual([0.25, true])
  })

  it('tells apart what a period brought and what has faded', async () => {
    const first = await makeFamily(server.api)
    for (let count = 0; count < 8; count += 1) await talk(first, WHY)
    const later = await daysLater(first, 28)
    await talk(later, WHY)
    const { cognitive_growth, evidence } = (await growth(later, '?skill=critical_thinking')).body.data
    const { score, change, gained, faded } = cognitive_growth.critical_thinking
    expect([score, change]).toEqual([12, gained + faded])
    expect(faded).toBeLessThan(0)
    expect(gained).toBeGreaterThan(0)
    expect(evidence[0]).toMatchObject({ weight: 1, weight_now: 1, in_period: true })
    expect(evidence[8]).toMatchObject({ weight: 1, weight_now: 0.5, in_period: false })
    expect(evidence[0].points).toBeCloseTo(2 * evidence[8].points, 3)
    expect(asActivity(cognitive_growth)).toEqual(await activity(later))
    const month = (await growth(later, '?period=month&skill=critical_thinking')).body.data
    expect(month.cognitive_growth.critical_thinking).toMatchObject({ score: 12, faded: 0 })
    expect(month.evidence.every((item: { in_period: boolean }) => item.in_period)).toBe(true)
  })

  it('pages through each item once, of one skill when asked, restricted topics too', async () => {
    const family = await makeFamily(server.api)
    await talk(family, WHY, BOTH, BIG)
    await talk(family, BOTH)
    await server.api.patch(`/v1/children/${family.childId}`, { token: family.token, body: { settings: { restricted_topics: [TOPIC.space] } } })
    const whole = (await growth(family, '?limit=100')).body.data
    expect(whole.evidence).toHaveLength(6)
    const times = whole.evidence.map((item: { timestamp: string }) => item.timestamp)
    expect(times).toEqual(times.toSorted().toReversed())
    const paged: Item[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const { body } = await growth(family, `?limit=1${cursor && `&cursor=${cursor}`}`)
      expect(body.data.cognitive_growth).toEqual(whole.cognitive_growth)
      expect(body.meta.has_more).toBe(body.meta.cursor !== null)
      paged.push(...body.data.evidence)
      cursor = body.meta.cursor
    }
    expect(paged).toEqual(whole.evidence)
    const logical = (await growth(family, '?skill=logical_reasoning')).body.data
    expect(logical.evidence).toEqual(whole.evidence.filter((item: Item) => item.skill === 'logical_reasoning'))
    expect(logical.cognitive_growth).toEqual(whole.cognitive_growth)
  })

  it('is empty for a child who has not yet spoken, and leaves out what is too old to weigh anything', async () => {
    const family = await makeFamily(server.api)
    expect((await growth(family)).body.data.evidence).toEqual([])
    await talk(family, WHY)
    const later = await daysLater(family, 400)
    expect((await growth(later)).body.data).toMatchObject({ cognitive_growth: { critical_thinking: { score: 0, change: 0 } }, evidence: [] })
  })

  it('names what is wrong with a request, and is for the parent alone', async () => {
    const family = await makeFamily(server.api)
    for (const [query, field] of [
      ['?period=year', 'period'],
      ['?skill=chess', 'skill'],
      ['?limit=0', 'limit'],
      ['?limit=101', 'limit'],
      ['?cursor=xyz', 'cursor'],
      ['?page=2', 'page'],
    ] as const) {
      expectRefusal(await growth(family, query), 400, 'VALIDATION_ERROR', field)
    }
    const other = { ...(await makeFamily(server.api)), childId: family.childId }
    expectRefusal(await growth(other, '?limit=0'), 403, 'CHILD_ACCESS_DENIED')
    expectRefusal(await growth({ ...family, token: await childToken(server.api, family) }), 403, 'FORBIDDEN')
  })

  // Attack: a caregiver reads here what a child told about them, or sees by a score that it told something.
  it('neither shows nor counts a message that is kept from the family', async () => {
    const family = await makeFamily(server.api)
    await talk(family, BIG)
    const before = [await activity(family), (await growth(family)).body.data]
    const conversation = await talk(family, WHY)
    const { message_id } = await itemOf(family, WHY)
    const { prisma } = server.deps.db
    const flag = { category: 'disclosure', severity: 'high', action: 'told_to_safeguarding', audience: 'safeguarding' }
    await prisma.safetyFlag.create({
      data: { ...flag, id: newId(), childId: family.childId, conversationId: conversation, messageId: message_id, createdAt: new Date(server.clock.now()) },
    })
    expect((await itemOf(family, WHY)).points).toBeGreaterThan(0)
    await prisma.message.update({ where: { id: message_id }, data: { withheld: true } })
    expect([await activity(family), (await growth(family)).body.data]).toEqual(before)
    expectRefusal(await dismiss(family, message_id, { skill: 'critical_thinking' }), 404, 'NOT_FOUND')
  })
})

describe('dismissing evidence', () => {
  it('takes it out of every score at once, in two round trips, and can be taken back', async () => {
    const family = await makeFamily(server.api)
    await talk(family, WHY, BIG, BOTH)
    const before = (await growth(family)).body.data
    const item = await itemOf(family, BOTH)
    const { result, roundTrips } = await server.deps.db.countRoundTrips(() => dismiss(family, item.message_id, { skill: 'critical_thinking' }))
    expect(roundTrips).toBe(2)
    const dismissedAt = new Date(server.clock.now()).toISOString().replace('.000', '')
    expect([result.status, result.body.data]).toEqual([200, { message_id: item.message_id, skill: 'critical_thinking', dismissed_at: dismissedAt }])

    const after = (await growth(family)).body.data
    expect(after.cognitive_growth.critical_thinking.score).toBe(item.score_without)
    expect(after.cognitive_growth.critical_thinking.score).toBeLessThan(before.cognitive_growth.critical_thinking.score)
    expect(after.cognitive_growth.logical_reasoning).toEqual(before.cognitive_growth.logical_reasoning)
    expect(await activity(family)).toEqual(asActivity(after.cognitive_growth))
    const shown = await itemOf(family, BOTH)
    expect(shown).toMatchObject({ dismissed_at: dismissedAt, weight: 1, weight_now: 0, points: 0, score_without: item.score_without })
    expect(await itemOf(family, BOTH, 'logical_reasoning')).toMatchObject({ dismissed_at: null, weight_now: 1 })

    expect((await dismiss(family, item.message_id, { skill: 'critical_thinking', dismissed: false })).body.data.dismissed_at).toBeNull()
    expect((await growth(family)).body.data).toEqual(before)
    expect(await activity(family)).toEqual(asActivity(before.cognitive_growth))
  })

  it('changes nothing when it is done again, by a retry, later, or twice at once', async () => {
    const family = await makeFamily(server.api)
    await talk(family, WHY)
    const { message_id } = await itemOf(family, WHY)
    const body = { skill: 'critical_thinking' }
    const lock = await holdRows(server.databaseUrl, 'SELECT 1 FROM growth_evidence WHERE message_id = $1 FOR UPDATE', [message_id])
    const both = Promise.all([dismiss(family, message_id, body, 'once'), dismiss(family, message_id, body)])
    await lock.waiters(2)
    await lock.release()
    const [first, second] = await both
    expect([first.status, second.status, second.body.data]).toEqual([200, 200, first.body.data])
    server.clock.advance(MINUTE_MS)
    expect((await dismiss(family, message_id, body)).body.data).toEqual(first.body.data)
    const again = { skill: 'critical_thinking', dismissed: false }
    for (const answer of [await dismiss(family, message_id, again), await dismiss(family, message_id, again)])
      expect([answer.status, answer.body.data.dismissed_at]).toEqual([200, null])
    const replayed = await dismiss(family, message_id, body, 'once')
    expect([replayed.headers['idempotency-replayed'], replayed.body.data]).toEqual(['true', first.body.data])
    expect((await itemOf(family, WHY)).dismissed_at).toBeNull()
  })

  it('refuses what is not there, and names what is wrong', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    const turn = (await takeTurn(server.api, family, conversation, WHY)).body.data
    const said = turn.user_message.id as string
    const good = { skill: 'critical_thinking' }
    for (const id of [newId(), turn.assistant_message.id]) expectRefusal(await dismiss(family, id, good), 404, 'NOT_FOUND')
    expectRefusal(await dismiss(family, said, { skill: 'creative_thinking' }), 404, 'NOT_FOUND')
    for (const [body, field] of [
      [{}, 'skill'],
      [{ skill: 'chess' }, 'skill'],
      [{ ...good, dismissed: 'no' }, 'dismissed'],
      [{ ...good, until: 'tomorrow' }, 'until'],
    ] as const) {
      expectRefusal(await dismiss(family, said, body), 400, 'VALIDATION_ERROR', field)
    }
    expectRefusal(await dismiss(family, 'x', good), 400, 'VALIDATION_ERROR', 'message_id')
    expect((await itemOf(family, WHY)).dismissed_at).toBeNull()
  })

  // Attack: a parent lowers another family's scores, or a child its own; a message id of one child is used for its sibling.
  it('is for the parent of that child alone', async () => {
    const family = await makeFamily(server.api)
    await talk(family, WHY)
    const { message_id } = await itemOf(family, WHY)
    const body = { skill: 'critical_thinking' }
    const other = await makeFamily(server.api)
    expectRefusal(await dismiss({ ...other, childId: family.childId }, message_id, body), 403, 'CHILD_ACCESS_DENIED')
    expectRefusal(await dismiss(other, message_id, body), 404, 'NOT_FOUND')
    expectRefusal(await dismiss({ ...family, childId: await createChild(server.api, family.token) }, message_id, body), 404, 'NOT_FOUND')
    expectRefusal(await dismiss({ ...family, token: await childToken(server.api, family) }, message_id, body), 403, 'FORBIDDEN')
    expect((await itemOf(family, WHY)).dismissed_at).toBeNull()
  })

  it('is told by the export', async () => {
    const family = await makeFamily(server.api)
    await talk(family, BOTH)
    const { message_id } = await itemOf(family, BOTH)
    await dismiss(family, message_id, { skill: 'critical_thinking' })
    const { data } = (await server.api.get(`/v1/children/${family.childId}/export`, { token: family.token })).body
    const told = data.growth_evidence.map((row: { skill: string; message_id: string; dismissed_at: string | null }) => [
      row.skill,
      row.message_id,
      row.dismissed_at,
    ])
    expect(told).toEqual([
      ['critical_thinking', message_id, expect.stringMatching(/^\d{4}-\d\d-\d\dT/)],
      ['logical_reasoning', message_id, null],
    ])
  })
})
