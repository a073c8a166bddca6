import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import { testClock } from '../helpers/clock.ts'
import { expectRefusal, makeFamily, registerParent } from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const UNKNOWN_TOPIC = '770e8400-e29b-41d4-a716-44665544ffff'

/** What neither creating nor changing a child may take, with the field that is named. */
const FAULTS: readonly [what: string, body: Record<string, unknown> | string, field: string][] = [
  ['an empty name', { name: '   ' }, 'name'],
  ['a name of 41 characters', { name: 'x'.repeat(41) }, 'name'],
  ['a name with a line break', { name: 'Em\nma' }, 'name'],
  ['a name with an escape character', { name: 'Em\u001b[31mma' }, 'name'],
  ['a name with a C1 control character', { name: 'Em\u0085ma' }, 'name'],
  ['a name with a null character', { name: 'Em\0ma' }, 'name'],
  ['a name with a lone high surrogate', '"name":"Em\\ud83dma"', 'name'],
  ['a name with a lone low surrogate', '"name":"Em\\udc00ma"', 'name'],
  ['a name that is not text', { name: { first: 'Emma' } }, 'name'],
  ['a day that does not exist', { birth_date: '2018-02-30' }, 'birth_date'],
  ['a 29 February of a common year', { birth_date: '2019-02-29' }, 'birth_date'],
  ['a birth date with a time', { birth_date: '2018-05-15T00:00:00Z' }, 'birth_date'],
  ['a birth date in another order', { birth_date: '15.05.2018' }, 'birth_date'],
  ['a birth date in the future', { birth_date: '2099-01-01' }, 'birth_date'],
  ['a birth date tomorrow', { birth_date: '2026-11-22' }, 'birth_date'],
  ['a child of three', { birth_date: '2022-11-22' }, 'birth_date'],
  ['a child of thirteen', { birth_date: '2013-11-21' }, 'birth_date'],
  ['a birth date of long ago', { birth_date: '0001-01-01' }, 'birth_date'],
  ['a birth date in the year 0', { birth_date: '0000-01-01' }, 'birth_date'],
  ['an unknown field', { nickname: 'Em' }, 'nickname'],
  ['a field that the server sets', { id: UNKNOWN_TOPIC }, 'id'],
  ['an age group', { age_group: 'mind_masters' }, 'age_group'],
  ['an unknown setting', { settings: { cheats: true } }, 'settings.cheats'],
  ['an unknown avatar', { avatar_id: 'avatar_dragon' }, 'avatar_id'],
  ['a prototype for an avatar', { avatar_id: '__proto__' }, 'avatar_id'],
  ['an unknown restricted topic', { settings: { restricted_topics: [UNKNOWN_TOPIC] } }, 'settings.restricted_topics'],
  ['a restricted topic that is not a UUID', { settings: { restricted_topics: ['space'] } }, 'settings.restricted_topics.0'],
  ['a bedtime with only a start', { settings: { bedtime_start: '20:00' } }, 'settings.bedtime_end'],
  ['a bedtime with only an end', { settings: { bedtime_end: '07:00' } }, 'settings.bedtime_start'],
  ['a bedtime with a start and an end of null', { settings: { bedtime_start: '20:00', bedtime_end: null } }, 'settings.bedtime_end'],
  ['a bedtime that ends when it starts', { settings: { bedtime_start: '20:00', bedtime_end: '20:00' } }, 'settings.bedtime_end'],
  ['a bedtime at 24:00', { settings: { bedtime_start: '24:00', bedtime_end: '07:00' } }, 'settings.bedtime_start'],
  ['a bedtime without a leading zero', { settings: { bedtime_start: '20:00', bedtime_end: '7:00' } }, 'settings.bedtime_end'],
  ['a limit of 1441 minutes', { settings: { daily_time_limit_minutes: 1441 } }, 'settings.daily_time_limit_minutes'],
  ['a limit of -1 minutes', { settings: { daily_time_limit_minutes: -1 } }, 'settings.daily_time_limit_minutes'],
  ['a limit of 1.5 minutes', { settings: { daily_time_limit_minutes: 1.5 } }, 'settings.daily_time_limit_minutes'],
  ['a limit in words', { settings: { daily_time_limit_minutes: '45' } }, 'settings.daily_time_limit_minutes'],
  ['no limit at all', { settings: { daily_time_limit_minutes: null } }, 'settings.daily_time_limit_minutes'],
  ['a sound that is neither on nor off', { settings: { sound_enabled: 1 } }, 'settings.sound_enabled'],
  ['21 interests', { interests: Array.from({ length: 21 }, (_, index) => `interest ${index}`) }, 'interests'],
  ['an interest of 41 characters', { interests: ['x'.repeat(41)] }, 'interests.0'],
  ['an interest with a null character', { interests: ['space', 'a\0b'] }, 'interests.1'],
  ['interests in one text', { interests: 'space' }, 'interests'],
  ['a PIN of three digits', { pin: '123' }, 'pin'],
  ['a PIN of five digits', { pin: '12345' }, 'pin'],
  ['a PIN that is a number', { pin: 1234 }, 'pin'],
  ['a PIN of digits of another script', { pin: '١٢٣٤' }, 'pin'],
  ['a PIN with a line break after it', { pin: '1234\n' }, 'pin'],
]

/** The body with `fault` in it; a text stands for JSON that JSON.stringify would not write. */
const bodyWith = (base: Record<string, unknown>, fault: Record<string, unknown> | string): unknown => {
  if (typeof fault !== 'string') return { ...base, ...fault }
  const rest = JSON.stringify({ ...base, name: undefined }).slice(1)
  return `{${fault}${rest === '}' ? '' : ','}${rest}`
}

describe('what a child profile refuses', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer({ clock: testClock('2026-11-21T17:00:00Z') })
  })
  afterAll(() => server.close())

  it.each(FAULTS)('creates no child with %s', async (_what, fault, field) => {
    const parent = await registerParent(server.api)
    const body = bodyWith({ name: 'Noah', birth_date: '2018-05-15' }, fault)
    expectRefusal(await server.api.post('/v1/children', { token: parent.token, body }), 400, 'VALIDATION_ERROR', field)
    expect(await server.deps.db.prisma.child.count({ where: { parentId: parent.id } })).toBe(0)
  })

  it.each(FAULTS)('does not change a child to %s', async (_what, fault, field) => {
    const family = await makeFamily(server.api)
    const before = await server.deps.db.prisma.child.findUniqueOrThrow({ where: { id: family.childId } })
    const body = bodyWith({}, fault)
    expectRefusal(await server.api.patch(`/v1/children/${family.childId}`, { token: family.token, body }), 400, 'VALIDATION_ERROR', field)
    expect(await server.deps.db.prisma.child.findUniqueOrThrow({ where: { id: family.childId } })).toEqual(before)
  })

  it.each([
    ['name', { birth_date: '2018-05-15' }],
    ['birth_date', { name: 'Noah' }],
  ])('creates no child without a %s', async (field, body) => {
    const { token } = await registerParent(server.api)
    expectRefusal(await server.api.post('/v1/children', { token, body }), 400, 'VALIDATION_ERROR', field)
  })

  it('names every fault at once', async () => {
    const { token } = await registerParent(server.api)
    const response = await server.api.post('/v1/children', { token, body: { name: '', birth_date: 'soon', settings: { sound_enabled: 'no' } } })
    expectRefusal(response, 400, 'VALIDATION_ERROR')
    expect(response.body.error.details.map((detail: { field: string }) => detail.field).sort()).toEqual(['birth_date', 'name', 'settings.sound_enabled'])
  })

  it('does not say back what was wrong in a name', async () => {
    const { token } = await registerParent(server.api)
    const response = await server.api.post('/v1/children', { token, body: { name: 'canary-Quillon\n', birth_date: '1950-canary' } })
    expectRefusal(response, 400, 'VALIDATION_ERROR')
    expect(response.text).not.toContain('canary')
  })

  it.each(['not-a-uuid', '1', `${newId()}0`, '%00'])('refuses %s as the id of a child', async (id) => {
    const { token } = await registerParent(server.api)
    expectRefusal(await server.api.get(`/v1/children/${id}`, { token }), 400, 'VALIDATION_ERROR', 'child_id')
  })

  it.each([
    ['a PIN that is a number', { pin: 1234 }, 'pin'],
    ['a PIN of 17 characters', { pin: '1'.repeat(17) }, 'pin'],
    ['a PIN with a null character', { pin: '12\x0034' }, 'pin'],
    ['an unknown field', { pin: '1234', remember: true }, 'remember'],
  ])('does not activate with %s', async (_what, body, field) => {
    const family = await makeFamily(server.api)
    expectRefusal(await server.api.post(`/v1/children/${family.childId}/activate`, { token: family.token, body }), 400, 'VALIDATION_ERROR', field)
    expect(await server.deps.db.prisma.session.count({ where: { childId: family.childId } })).toBe(0)
  })
})
