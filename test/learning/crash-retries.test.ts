import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TutorModel } from '../../src/learning/tutor/tutor-model.ts'
import { CLAIM_LEASE_MS } from '../../src/platform/http/idempotency.ts'
import { type Family, makeFamily, onTheTablet, PASSWORD, startConversation, TOPIC, takeTurn } from '../helpers/family.ts'
import { runJob } from '../helpers/jobs.ts'
import { holdRows } from '../helpers/row-lock.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { giveStars, purse } from '../helpers/stars.ts'

const DAY_MS = 86_400_000

describe('after a crash', () => {
  let server: TestServer
  let isFailing = false
  beforeAll(async () => {
    const tutor: TutorModel = {
      async *reply(turn, signal) {
        if (isFailing) throw new Error('the model is away')
        yield* server.deps.builtin.reply(turn, signal)
      },
    }
    server = await startTestServer({ tutor })
  })
  afterAll(() => server.close())

  const who = (family: Family) => ({ token: family.token, child: family.childId })

  /** Leaves a key as a process does that dies between its commit and the storing of its answer. */
  async function crashBeforeAnswer(key: string): Promise<void> {
    await server.deps.db.prisma.idempotencyKey.updateMany({ where: { key }, data: { status: null, response: null } })
    server.clock.advance(CLAIM_LEASE_MS + 1)
  }

  it('a purchase that is sent again is not paid again, and is answered', async () => {
    const family = await makeFamily(server.api)
    await giveStars(server, family.childId, 1_500)
    for (const [item, cost] of [
      ['streak_freeze', 200],
      ['avatar_astronaut', 100],
    ] as const) {
      const key = `${item}-${family.childId}`
      const buy = () => server.api.post(`/v1/shop/${item}/purchase`, { ...who(family), key })
      const first = await buy()
      await crashBeforeAnswer(key)
      const again = await buy()
      expect([again.status, again.body.data]).toEqual([200, first.body.data])
      expect(first.body.data.stars_spent).toBe(cost)
    }
    expect(await purse(server, family)).toEqual({ balance: 1_200, starSum: 1_200, freezes: 3, freezeSum: 3 })
  })

  it('a freeze that is sent again uses none again', async () => {
    const family = await onTheTablet(server.api, await makeFamily(server.api))
    await takeTurn(server.api, family, await startConversation(server.api, family))
    server.clock.advance(2 * DAY_MS)
    const key = `freeze-${family.childId}`
    const freeze = () => server.api.post('/v1/streaks/freeze', { ...who(family), key })
    const first = await freeze()
    await crashBeforeAnswer(key)
    const again = await freeze()
    expect([again.status, again.body.data]).toEqual([200, first.body.data])
    expect(await purse(server, family)).toMatchObject({ freezes: 1, freezeSum: 1 })
  })

  it('minutes granted are not granted again', async () => {
    const family = await makeFamily(server.api)
    const key = `grant-${family.childId}`
    const grant = () => server.api.post(`/v1/dashboard/children/${family.childId}/grant`, { token: family.token, key, body: { minutes: 15 } })
    await grant()
    await crashBeforeAnswer(key)
    expect((await grant()).body.data.granted_minutes).toBe(15)
  })

  it('a turn resumed after midnight leaves the new day its own streak, badge and freeze', async () => {
    server.clock.set('2026-06-01T16:00:00Z')
    const family = await onTheTablet(server.api, await makeFamily(server.api))
    for (let day = 1; day <= 5; day += 1) {
      server.clock.set(`2026-06-0${day}T16:00:00Z`)
      await takeTurn(server.api, family, await startConversation(server.api, family))
    }
    server.clock.set('2026-06-07T03:59:50Z')
    const conversation = await startConversation(server.api, family)
    isFailing = true
    expect((await takeTurn(server.api, family, conversation, 'Why do stars twinkle?')).status).toBe(503)
    isFailing = false
    server.clock.set('2026-06-07T04:00:20Z')
    expect((await takeTurn(server.api, family, conversation, 'Why do stars twinkle?')).status).toBe(201)
    const next = await takeTurn(server.api, family, conversation)
    expect(next.body.data.rewards.map((reward: { id: string }) => reward.id)).toContain('streak_7')
    expect(await purse(server, family)).toMatchObject({ freezes: 3, freezeSum: 3 })
  })
})

describe('together', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  it('ending a talk, buying a freeze, freezing and the job for idle talks never stand in each other’s way', async () => {
    for (let round = 0; round < 10; round += 1) {
      const family = await makeFamily(server.api)
      const who = { token: family.token, child: family.childId }
      await giveStars(server, family.childId, 1_000)
      const idle = await startConversation(server.api, family)
      await takeTurn(server.api, family, idle)
      server.clock.advance(31 * 60_000)
      const conversation = await startConversation(server.api, family, TOPIC.animals)
      await takeTurn(server.api, family, conversation)
      const held = await holdRows(server.databaseUrl, 'SELECT 1 FROM learners WHERE child_id = $1 FOR UPDATE', [family.childId])
      const work = Promise.all([
        server.api.post(`/v1/conversations/${conversation}/end`, who),
        server.api.post('/v1/shop/streak_freeze/purchase', who),
        server.api.post('/v1/shop/avatar_astronaut/purchase', who),
        runJob(server, 'end-idle-conversations').then(() => ({ status: 200, text: '' })),
      ])
      await held.waiters(2)
      await held.release()
      for (const answer of await work) expect(answer.status, answer.text).toBe(200)
      const { balance, starSum, freezes, freezeSum } = await purse(server, family)
      expect([balance, freezes]).toEqual([starSum, freezeSum])
      expect(balance).toBe(1_000 + 5 + 5 - 200 - 100)
    }
  })

  it('one idle talk that cannot be ended keeps no other waiting', async () => {
    const [broken, whole] = [await makeFamily(server.api), await makeFamily(server.api)]
    const first = await startConversation(server.api, broken)
    server.clock.advance(1_000)
    const second = await startConversation(server.api, whole)
    await server.deps.db.prisma.conversation.update({ where: { id: first }, data: { topicId: '00000000-0000-4000-8000-000000000000' } })
    server.clock.advance(31 * 60_000)
    await runJob(server, 'end-idle-conversations')
    const endedAt = async (id: string) => (await server.deps.db.prisma.conversation.findUniqueOrThrow({ where: { id } })).endedAt
    expect(await endedAt(first)).toBeNull()
    expect(await endedAt(second)).not.toBeNull()
    expect(server.logs.some((line) => line.includes('work in the background failed'))).toBe(true)
  })

  it('an account that is gone is gone for a retry of its registration, and its receipt counts everything', async () => {
    const family = await makeFamily(server.api)
    const consents = { terms: true, privacy: true, coppa: true }
    const registration = { email: `again-${family.email}`, password: PASSWORD, display_name: 'Alex', timezone: 'UTC', consents }
    const register = () => server.api.post('/v1/auth/register', { body: registration, key: 'first' })
    const token = (await register()).body.data.tokens.access_token
    for (let child = 0; child < 2; child += 1) {
      const { id } = (await server.api.post('/v1/children', { token, key: `child-${child}`, body: { name: 'Emma', birth_date: '2018-05-15' } })).body.data
      await server.api.post(`/v1/children/${id}/activate`, { token })
    }
    const erased = await server.api.delete('/v1/parents/me', { token, body: { password: PASSWORD } })
    expect(erased.body.data).toMatchObject({ remaining: 0, removed: { accounts: 1, children: 2, sessions: 3, idempotency_keys: 3 } })
    const again = await register()
    expect([again.status, again.headers['idempotency-replayed']]).toEqual([201, undefined])
    expect((await server.api.get('/v1/parents/me', { token: again.body.data.tokens.access_token })).status).toBe(200)
  })
})
