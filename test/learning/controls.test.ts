import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { childToken, expectRefusal, type Family, makeFamily, startConversation, TOPIC, takeTurn } from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { openChildSocket } from '../helpers/socket.ts'
import { giveStars } from '../helpers/stars.ts'

const MINUTE_MS = 60_000
const NOON_UTC = '2026-11-21T17:00:00Z'

describe('parental controls', () => {
  let server: TestServer
  let address: string
  beforeAll(async () => {
    server = await startTestServer({ gateway: { watchMs: 20 } })
    address = await server.listen()
  })
  afterAll(() => server.close())

  const settings = (family: Family, body?: object) =>
    server.api.send(body ? 'PATCH' : 'GET', `/v1/dashboard/children/${family.childId}/settings`, { token: family.token, ...(body && { body }) })
  const control = (family: Family, what: 'grant' | 'pause', body?: object) =>
    server.api.post(`/v1/dashboard/children/${family.childId}/${what}`, { token: family.token, ...(body && { body }) })
  const session = async (family: Family) => (await server.api.get('/v1/session', { token: family.token, child: family.childId })).body.data

  it('are the same through both settings routes', async () => {
    const family = await makeFamily(server.api)
    const changed = await settings(family, { daily_time_limit_minutes: 45, bedtime_start: '19:30', bedtime_end: '07:00', restricted_topics: [TOPIC.animals] })
    expect(changed.status, changed.text).toBe(200)
    expect(changed.body.data).toEqual({
      sound_enabled: true,
      voice_over_enabled: true,
      daily_time_limit_minutes: 45,
      bedtime_start: '19:30',
      bedtime_end: '07:00',
      restricted_topics: [TOPIC.animals],
      granted_minutes: 0,
      paused: false,
    })
    const profile = await server.api.patch(`/v1/children/${family.childId}`, { token: family.token, body: { settings: { daily_time_limit_minutes: 30 } } })
    expect(profile.body.data.settings).toMatchObject({ daily_time_limit_minutes: 30, bedtime_start: '19:30', restricted_topics: [TOPIC.animals] })
    expect((await settings(family)).body.data).toMatchObject({ daily_time_limit_minutes: 30, bedtime_end: '07:00' })
  })

  it('refuse what makes no sense, naming the field as it was sent', async () => {
    const family = await makeFamily(server.api)
    expectRefusal(await settings(family, { daily_time_limit_minutes: 1441 }), 400, 'VALIDATION_ERROR', 'daily_time_limit_minutes')
    expectRefusal(await settings(family, { bedtime_start: '19:30' }), 400, 'VALIDATION_ERROR', 'bedtime_end')
    expectRefusal(await settings(family, { bedtime_start: '25:00', bedtime_end: '07:00' }), 400, 'VALIDATION_ERROR', 'bedtime_start')
    expectRefusal(await settings(family, { restricted_topics: ['00000000-0000-4000-8000-000000000000'] }), 400, 'VALIDATION_ERROR', 'restricted_topics')
    expectRefusal(await settings(family, { limit: 1 }), 400, 'VALIDATION_ERROR', 'limit')
    expectRefusal(await control(family, 'grant', { minutes: 0 }), 400, 'VALIDATION_ERROR', 'minutes')
    expectRefusal(await control(family, 'pause', { paused: 'yes' }), 400, 'VALIDATION_ERROR', 'paused')
    const other = { ...(await makeFamily(server.api)), childId: family.childId }
    for (const answer of [await settings(other), await settings(other, {}), await control(other, 'grant', { minutes: 5 }), await control(other, 'pause')])
      expectRefusal(answer, 403, 'CHILD_ACCESS_DENIED')
    const tablet = { ...family, token: await childToken(server.api, family) }
    for (const answer of [await settings(tablet), await control(tablet, 'grant', { minutes: 5 }), await control(tablet, 'pause')])
      expectRefusal(answer, 403, 'FORBIDDEN')
  })

  it('let a parent grant minutes for today alone, which add up', async () => {
    const family = await makeFamily(server.api, { settings: { daily_time_limit_minutes: 1 } })
    const conversation = await startConversation(server.api, family)
    server.clock.advance(MINUTE_MS)
    expectRefusal(await takeTurn(server.api, family, conversation), 403, 'TIME_LIMIT_REACHED')
    expect(await session(family)).toMatchObject({ can_learn: false, reason: 'time_limit', time: { minutes_left: 0, used_minutes: 1 } })
    await Promise.all([control(family, 'grant', { minutes: 5 }), control(family, 'grant', { minutes: 5 })])
    expect((await control(family, 'grant', { minutes: 5 })).body.data).toEqual({ granted_minutes: 15, daily_time_limit_minutes: 1 })
    expect((await takeTurn(server.api, family, conversation)).status).toBe(201)
    expect(await session(family)).toMatchObject({ can_learn: true, reason: null, time: { granted_minutes: 15, minutes_left: 15 } })
    const noon = server.clock.now()
    server.clock.advance(12 * 60 * MINUTE_MS)
    expect((await settings(family)).body.data.granted_minutes).toBe(0)
    server.clock.set(noon)
  })

  it('let a parent pause learning at once and go on', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    expect((await control(family, 'pause')).body.data).toEqual({ paused: true })
    const refused = await takeTurn(server.api, family, conversation)
    expectRefusal(refused, 403, 'TIME_LIMIT_REACHED')
    expect([refused.body.error.reason, refused.body.error.child_message]).toEqual(['paused', 'Your grown-up has paused BrainSpark for now. See you soon!'])
    expectRefusal(
      await server.api.post('/v1/conversations', { token: family.token, child: family.childId, body: { topic_id: TOPIC.space } }),
      403,
      'TIME_LIMIT_REACHED',
    )
    expect((await control(family, 'pause', { paused: false })).body.data).toEqual({ paused: false })
    expect((await takeTurn(server.api, family, conversation)).status).toBe(201)
  })

  it('warn a listening child at five and at one minute and tell the end, each once, in order with the rest', async () => {
    server.clock.set(NOON_UTC)
    const family = await makeFamily(server.api, { settings: { daily_time_limit_minutes: 7 } })
    const socket = await openChildSocket(address, family.token, family.childId)
    const conversation = await startConversation(server.api, family)
    const learn = async (minutes: number) => {
      server.clock.advance(minutes * MINUTE_MS)
      return takeTurn(server.api, family, conversation)
    }
    await learn(2)
    const five = await socket.waitFor('time_warning')
    expect(five).toMatchObject({ minutes_remaining: 5, message: '5 more minutes of brain sparking today!' })
    await learn(2)
    await learn(2)
    const one = await socket.waitFor((frame) => frame.type === 'time_warning' && frame.minutes_remaining === 1)
    expect(one.message).toBe('1 more minute of brain sparking today!')
    expectRefusal(await learn(1), 403, 'TIME_LIMIT_REACHED')
    const end = await socket.waitFor('session_end')
    expect(end).toMatchObject({ reason: 'time_limit', message: "Great thinking today! Let's take a break and come back tomorrow!" })
    await control(family, 'grant', { minutes: 30 })
    expect((await takeTurn(server.api, family, conversation)).status).toBe(201)
    await control(family, 'pause')
    expect(await socket.waitFor((frame) => frame.type === 'session_end' && frame.reason === 'paused')).toBeDefined()
    const told = socket.frames.filter((frame) => frame.type === 'time_warning' || frame.type === 'session_end')
    expect(told.map((frame) => frame.minutes_remaining ?? frame.reason)).toEqual([5, 1, 'time_limit', 'paused'])
    const numbered = socket.frames.filter((frame) => frame.seq !== undefined && frame.type !== 'ready').map((frame) => frame.seq)
    expect(numbered).toEqual(numbered.map((_, index) => (numbered[0] ?? 0) + index))
  })

  it('tell the end at bedtime, also across the night on which the clocks change', async () => {
    // 2026-11-01 in New York: at 02:00 it is 01:00 again.
    server.clock.set('2026-11-01T04:56:30Z')
    const family = await makeFamily(server.api, { settings: { bedtime_start: '01:00', bedtime_end: '06:00' } })
    const socket = await openChildSocket(address, family.token, family.childId)
    expect(await session(family)).toMatchObject({ can_learn: true })
    expect(await socket.waitFor('time_warning')).toMatchObject({ minutes_remaining: 4 })
    server.clock.set('2026-11-01T05:00:00Z')
    expect(await socket.waitFor('session_end')).toMatchObject({ reason: 'bedtime', message: 'Sleep tight! Your questions will wait for you until morning.' })
    server.clock.set('2026-11-01T06:30:00Z')
    expect(await session(family)).toMatchObject({ can_learn: false, reason: 'bedtime', bedtime: { start: '01:00', end: '06:00', is_now: true } })
    server.clock.set('2026-11-01T11:00:00Z')
    expect(await session(family)).toMatchObject({ can_learn: true, bedtime: { is_now: false } })
    server.clock.set(NOON_UTC)
  })

  it('reach a turn on a socket that was open before they were changed', async () => {
    const family = await makeFamily(server.api)
    const socket = await openChildSocket(address, family.token, family.childId)
    const conversation = await startConversation(server.api, family)
    await settings(family, { restricted_topics: [TOPIC.space] })
    socket.send({ type: 'message', conversation_id: conversation, choice_index: 0 })
    expect((await socket.waitFor('error')).error.code).toBe('FORBIDDEN')
    expect((await server.api.get('/v1/conversations?status=open', { token: family.token, child: family.childId })).body.data).toEqual([])
    await settings(family, { restricted_topics: [] })
    expect((await server.api.get('/v1/conversations?status=open', { token: family.token, child: family.childId })).body.data).toHaveLength(1)
  })

  it('leave the outfit to the child: free things and bought ones', async () => {
    const family = await makeFamily(server.api)
    const tablet = await childToken(server.api, family)
    const wear = (body: object) => server.api.patch('/v1/session', { token: tablet, body })
    expectRefusal(await wear({ theme_id: 'theme_ocean' }), 400, 'VALIDATION_ERROR', 'theme_id')
    expectRefusal(await wear({ avatar_id: 'theme_starlight' }), 400, 'VALIDATION_ERROR', 'avatar_id')
    await giveStars(server, family.childId, 500)
    for (const item of ['theme_ocean', 'companion_snail']) expect((await server.api.post(`/v1/shop/${item}/purchase`, { token: tablet })).status).toBe(200)
    const worn = await wear({ avatar_id: 'avatar_owl', theme_id: 'theme_ocean', companion_id: 'companion_snail' })
    expect(worn.body.data.child).toMatchObject({ avatar_id: 'avatar_owl', theme_id: 'theme_ocean', companion_id: 'companion_snail' })
    expect((await wear({ companion_id: null, theme_id: 'theme_starlight' })).body.data.child).toMatchObject({ companion_id: null, theme_id: 'theme_starlight' })
    expect((await server.api.get(`/v1/children/${family.childId}`, { token: family.token })).body.data.avatar_id).toBe('avatar_owl')
  })
})
