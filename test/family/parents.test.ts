import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { testClock } from '../helpers/clock.ts'
import { createChild, expectRefusal, registerParent } from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

describe('the parent profile', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer({ clock: testClock('2024-12-15T10:30:00Z') })
  })
  afterAll(() => server.close())

  const me = (token: string) => server.api.get('/v1/parents/me', { token })
  const change = (token: string, body: unknown) => server.api.patch('/v1/parents/me', { token, body })

  it('tells everything of section 3.1, children oldest first', async () => {
    const parent = await registerParent(server.api)
    const emma = await createChild(server.api, parent.token, { name: 'Emma', birthDate: '2019-05-15' })
    server.clock.advance(1)
    const noah = await createChild(server.api, parent.token, { name: 'Noah', birthDate: '2016-02-03' })
    const response = await me(parent.token)
    expect(response.status).toBe(200)
    expect(response.body).toEqual({
      data: {
        id: parent.id,
        email: parent.email,
        email_verified: false,
        display_name: 'Alex Parent',
        timezone: 'America/New_York',
        subscription_tier: 'free',
        subscription_expires_at: null,
        settings: { notifications: { email_digest: true, push_enabled: true, streak_reminders: true } },
        created_at: '2024-12-15T10:30:00Z',
        children: [
          { id: emma, name: 'Emma', age_group: 'wonder_cubs', avatar_id: 'avatar_bunny' },
          { id: noah, name: 'Noah', age_group: 'curious_explorers', avatar_id: 'avatar_bunny' },
        ],
      },
      meta: { request_id: response.headers['x-request-id'] },
    })
  })

  it('tells when a subscription ends in whole seconds', async () => {
    const parent = await registerParent(server.api)
    await server.deps.db.prisma.parent.update({
      where: { id: parent.id },
      data: { subscriptionTier: 'premium', subscriptionExpiresAt: new Date('2025-12-15T00:00:00.000Z') },
    })
    const { data } = (await me(parent.token)).body
    expect([data.subscription_tier, data.subscription_expires_at]).toEqual(['premium', '2025-12-15T00:00:00Z'])
  })

  it("takes the contract's example and leaves what it does not name", async () => {
    const parent = await registerParent(server.api)
    const body = { display_name: 'Alex P.', timezone: 'America/Los_Angeles', settings: { notifications: { streak_reminders: false } } }
    const response = await change(parent.token, body)
    expect(response.status).toBe(200)
    expect(response.body.data).toMatchObject({
      id: parent.id,
      display_name: 'Alex P.',
      timezone: 'America/Los_Angeles',
      settings: { notifications: { email_digest: true, push_enabled: true, streak_reminders: false } },
    })
    expect((await me(parent.token)).body.data).toEqual(response.body.data)
    const row = await server.deps.db.prisma.parent.findUniqueOrThrow({ where: { id: parent.id } })
    expect([row.displayName, row.timezone]).toEqual(['Alex P.', 'America/Los_Angeles'])
  })

  it('changes nothing for an empty change', async () => {
    const parent = await registerParent(server.api)
    const before = (await me(parent.token)).body.data
    const response = await change(parent.token, {})
    expect(response.status).toBe(200)
    expect(response.body.data).toEqual(before)
  })

  it('keeps parallel changes of different settings', async () => {
    const parent = await registerParent(server.api)
    const changes = [
      { settings: { notifications: { email_digest: false } } },
      { settings: { notifications: { push_enabled: false } } },
      { settings: { notifications: { streak_reminders: false } } },
      { display_name: 'Sam' },
      { timezone: 'Europe/Berlin' },
    ]
    const responses = await Promise.all(changes.map((body) => change(parent.token, body)))
    expect(responses.map((response) => response.status)).toEqual(changes.map(() => 200))
    expect((await me(parent.token)).body.data).toMatchObject({
      display_name: 'Sam',
      timezone: 'Europe/Berlin',
      settings: { notifications: { email_digest: false, push_enabled: false, streak_reminders: false } },
    })
  })

  it('counts 80 characters of a name and trims it', async () => {
    const parent = await registerParent(server.api)
    expect((await change(parent.token, { display_name: `  ${'x'.repeat(80)} ` })).body.data.display_name).toBe('x'.repeat(80))
  })

  it.each([
    ['a name of 81 characters', { display_name: 'x'.repeat(81) }, 'display_name'],
    ['an empty name', { display_name: ' ' }, 'display_name'],
    ['a control character in the name', { display_name: 'Alex\u0007' }, 'display_name'],
    ['a null character in the name', { display_name: 'Al\0ex' }, 'display_name'],
    ['a name that is not text', { display_name: 7 }, 'display_name'],
    ['a null name', { display_name: null }, 'display_name'],
    ['an unknown time zone', { timezone: 'Mars/Olympus_Mons' }, 'timezone'],
    ['an offset for a time zone', { timezone: '+01:00' }, 'timezone'],
    ['an unknown field', { nickname: 'Al' }, 'nickname'],
    ['a field that is not for changing', { email: 'other@example.com' }, 'email'],
    ['an unknown setting', { settings: { theme: 'dark' } }, 'settings.theme'],
    ['an unknown notification', { settings: { notifications: { carrier_pigeon: true } } }, 'settings.notifications.carrier_pigeon'],
    ['a notification that is not true or false', { settings: { notifications: { push_enabled: 'yes' } } }, 'settings.notifications.push_enabled'],
  ])('refuses %s and changes nothing', async (_what, body, field) => {
    const parent = await registerParent(server.api)
    const before = (await me(parent.token)).body.data
    expectRefusal(await change(parent.token, body), 400, 'VALIDATION_ERROR', field)
    expect((await me(parent.token)).body.data).toEqual(before)
  })

  it('refuses half a surrogate pair, which PostgreSQL cannot hold', async () => {
    const parent = await registerParent(server.api)
    expectRefusal(await change(parent.token, '{"display_name":"Alex \\ud83d"}'), 400, 'VALIDATION_ERROR', 'display_name')
  })

  it('refuses a change without a body', async () => {
    const parent = await registerParent(server.api)
    expectRefusal(await server.api.patch('/v1/parents/me', { token: parent.token }), 400, 'VALIDATION_ERROR', 'body')
  })

  it('counts every request and says so', async () => {
    const parent = await registerParent(server.api)
    const first = await me(parent.token)
    const second = await me(parent.token)
    expect(Number(first.headers['x-ratelimit-remaining']) - Number(second.headers['x-ratelimit-remaining'])).toBe(1)
    expect(Number(first.headers['x-ratelimit-reset'])).toBeGreaterThan(server.clock.now() / 1000)
  })
})
