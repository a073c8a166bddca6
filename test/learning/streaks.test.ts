import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectRefusal, type Family, makeFamily, onTheTablet, startConversation, takeTurn } from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { purse } from '../helpers/stars.ts'

const noonOf = (day: number) => `2026-06-${String(day).padStart(2, '0')}T16:00:00Z`

describe('streaks through the door', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  const who = (family: Family) => ({ token: family.token, child: family.childId })
  const streak = async (family: Family) => (await server.api.get('/v1/streaks', who(family))).body.data
  const freeze = (family: Family) => server.api.post('/v1/streaks/freeze', who(family))

  /** A family on the first of June, and one turn on each of the days. */
  async function learnedOn(...days: number[]): Promise<Family> {
    server.clock.set(noonOf(1))
    const family = await onTheTablet(server.api, await makeFamily(server.api))
    for (const day of days) await learn(family, day)
    return family
  }

  async function learn(family: Family, day: number) {
    server.clock.set(noonOf(day))
    const turn = await takeTurn(server.api, family, await startConversation(server.api, family))
    expect(turn.status, turn.text).toBe(201)
    return turn.body.data.rewards.map((reward: { id: string }) => reward.id)
  }

  it('begin with nothing and two freezes', async () => {
    const family = await learnedOn()
    expect(await streak(family)).toMatchObject({ current_streak: 0, longest_streak: 0, last_activity_date: null, streak_freezes_available: 2 })
    expectRefusal(await freeze(family), 422, 'UNPROCESSABLE_ENTITY')
  })

  it('are saved over missed days by as many freezes, all or nothing', async () => {
    const family = await learnedOn(1, 2, 3)
    server.clock.set(noonOf(6))
    expect(await streak(family)).toMatchObject({ current_streak: 0, longest_streak: 3 })
    const saved = await freeze(family)
    expect(saved.body.data).toEqual({ freeze_used: true, streak_preserved: 3, freezes_remaining: 0 })
    const history = (await streak(family)).history.slice(0, 4)
    expect(history).toEqual([
      { date: '2026-06-06', active: false, frozen: false, streak: 0 },
      { date: '2026-06-05', active: false, frozen: true, streak: 3 },
      { date: '2026-06-04', active: false, frozen: true, streak: 3 },
      { date: '2026-06-03', active: true, frozen: false, streak: 3 },
    ])
    server.clock.set(noonOf(9))
    const tooMany = await freeze(family)
    expectRefusal(tooMany, 422, 'UNPROCESSABLE_ENTITY')
    expect(tooMany.body.error.child_message).toMatch(/freezes/)
    expect(await purse(server, family)).toMatchObject({ freezes: 0, freezeSum: 0 })
  })

  it('are saved when today has counted already, and the milestone that this reaches is granted', async () => {
    const family = await learnedOn(1, 2, 3, 4, 5, 6, 8)
    expect(await streak(family)).toMatchObject({ current_streak: 1, longest_streak: 6 })
    expect((await freeze(family)).body.data).toEqual({ freeze_used: true, streak_preserved: 7, freezes_remaining: 2 })
    const badges = (await server.api.get('/v1/rewards?type=badge', who(family))).body.data.badges.map((badge: { id: string }) => badge.id)
    expect(badges).toContain('streak_7')
    expect(await purse(server, family)).toMatchObject({ freezes: 2, freezeSum: 2 })
    expectRefusal(await freeze(family), 409, 'CONFLICT')
  })

  it('give a freeze for today back when today counts after all', async () => {
    const family = await learnedOn(1, 2)
    server.clock.set(noonOf(3))
    expect((await freeze(family)).body.data).toEqual({ freeze_used: true, streak_preserved: 2, freezes_remaining: 1 })
    expectRefusal(await freeze(family), 409, 'CONFLICT')
    expect(await learn(family, 3)).toEqual(['streak_3'])
    expect(await purse(server, family)).toMatchObject({ freezes: 2, freezeSum: 2 })
    expect((await streak(family)).history[0]).toEqual({ date: '2026-06-03', active: true, frozen: false, streak: 3 })
  })

  it('use one freeze when a hundred devices ask together', async () => {
    const family = await learnedOn(1, 2)
    server.clock.set(noonOf(4))
    const answers = await Promise.all(Array.from({ length: 100 }, () => freeze(family)))
    expect(answers.filter((answer) => answer.status === 200).length).toBeLessThanOrEqual(2)
    expect(answers.filter((answer) => answer.status >= 500 && answer.status !== 503)).toEqual([])
    const used = await server.deps.db.prisma.freezeEntry.findMany({ where: { childId: family.childId, amount: -1 }, select: { reason: true } })
    expect(used.map((entry) => entry.reason)).toContain('used:2026-06-03')
    expect(new Set(used.map((entry) => entry.reason)).size).toBe(used.length)
    const { freezes, freezeSum } = await purse(server, family)
    expect([freezes, freezeSum]).toEqual([2 - used.length, 2 - used.length])
  })

  it('count a day once however many conversations begin together, and grant its badge once', async () => {
    const family = await learnedOn(1, 2)
    server.clock.set(noonOf(3))
    const conversations = [
      await startConversation(server.api, family),
      await startConversation(server.api, family),
      await startConversation(server.api, family),
    ]
    const turns = await Promise.all(conversations.map((conversation) => takeTurn(server.api, family, conversation)))
    const granted = turns.flatMap((turn) => turn.body.data.rewards.filter((reward: { id: string }) => reward.id === 'streak_3'))
    expect(granted).toHaveLength(1)
    expect(await streak(family)).toMatchObject({ current_streak: 3 })
  })

  it('hold while the family travels over the date line, both ways', async () => {
    server.clock.set('2026-06-01T05:00:00Z')
    const parent = await makeFamily(server.api, { timezone: 'Pacific/Auckland' })
    const family = await onTheTablet(server.api, parent)
    const talk = async () => takeTurn(server.api, family, await startConversation(server.api, family))
    await talk()
    server.clock.set('2026-06-02T05:00:00Z')
    await talk()
    expect(await streak(family)).toMatchObject({ current_streak: 2, last_activity_date: '2026-06-02' })
    const move = (timezone: string) => server.deps.db.prisma.parent.update({ where: { id: parent.id }, data: { timezone } })
    await move('Pacific/Honolulu')
    expect(await streak(family)).toMatchObject({ current_streak: 2, last_activity_date: '2026-06-02' })
    await talk()
    expect(await streak(family)).toMatchObject({ current_streak: 2 })
    server.clock.set('2026-06-02T20:00:00Z')
    await talk()
    await move('Pacific/Auckland')
    expect(await streak(family)).toMatchObject({ current_streak: 2, longest_streak: 2 })
    await talk()
    expect(await streak(family)).toMatchObject({ current_streak: 3, last_activity_date: '2026-06-03' })
  })

  it('are told only of the own child', async () => {
    const family = await learnedOn(1)
    const other = await makeFamily(server.api)
    expectRefusal(await server.api.get('/v1/streaks', { token: other.token, child: family.childId }), 403, 'CHILD_ACCESS_DENIED')
    expectRefusal(await server.api.post('/v1/streaks/freeze', { token: other.token, child: family.childId }), 403, 'CHILD_ACCESS_DENIED')
    expectRefusal(await server.api.get('/v1/streaks'), 401, 'UNAUTHORIZED')
    expectRefusal(await server.api.post('/v1/streaks/freeze', { ...who(family), body: { days: 2 } }), 400, 'VALIDATION_ERROR', 'days')
  })
})
