import { setImmediate as nextTurn } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { anotherDevice, childStatusOf, livingSessions, logIn, NEW_PASSWORD, refresh, sessionOf, statusOf } from '../helpers/accounts.ts'
import { childToken, expectRefusal, makeFamily, PASSWORD, type Parent, registerParent } from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

describe('changing the password', () => {
  let server: TestServer
  const change = (parent: Pick<Parent, 'token'>, body: unknown = { current_password: PASSWORD, new_password: NEW_PASSWORD }) =>
    server.api.post('/v1/auth/password', { token: parent.token, body })
  const hashOf = async (id: string) => (await server.deps.db.prisma.account.findUniqueOrThrow({ where: { id } })).passwordHash

  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  it('answers 204 without a body; the new password opens and the old one does not', async () => {
    const parent = await registerParent(server.api)
    const response = await change(parent)
    expect([response.status, response.text]).toEqual([204, ''])
    expectRefusal(await logIn(server.api, parent.email), 401, 'UNAUTHORIZED')
    expect((await logIn(server.api, parent.email, NEW_PASSWORD)).status).toBe(200)
    expect(await hashOf(parent.id)).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  })

  it("ends every other session, the children's too, but not the caller's own", async () => {
    const family = await makeFamily(server.api)
    const child = await childToken(server.api, family)
    const other = await anotherDevice(server.api, family)
    await change(family)
    expect(await statusOf(server.api, family.token)).toBe(200)
    expect((await refresh(server.api, family.refreshToken)).status).toBe(200)
    expectRefusal(await server.api.get('/v1/parents/me', { token: other.token }), 401, 'UNAUTHORIZED')
    expectRefusal(await refresh(server.api, other.refreshToken), 401, 'UNAUTHORIZED')
    expect(await childStatusOf(server.api, child)).toBe(401)
    const ended = await server.deps.db.prisma.session.findMany({ where: { accountId: family.id, revokedAt: { not: null } } })
    expect(ended.map((session) => [session.id, session.revokedReason]).sort()).toEqual(
      [sessionOf(child), sessionOf(other.token)].map((id) => [id, 'password_changed']).sort(),
    )
  })

  it("ends no other account's sessions", async () => {
    const parent = await registerParent(server.api)
    const stranger = await registerParent(server.api)
    await change(parent)
    expect(await statusOf(server.api, stranger.token)).toBe(200)
  })

  // Attack: a stolen access token used to take the account over for good.
  it.each<[string, unknown]>([
    ['wrong', 'Wrong-Password-1'],
    ['empty', ''],
    ['missing', undefined],
  ])('refuses a current password that is %s with 403, and changes nothing', async (_name, current) => {
    const family = await makeFamily(server.api)
    const other = await anotherDevice(server.api, family)
    const before = await hashOf(family.id)
    expectRefusal(await change(family, { current_password: current, new_password: NEW_PASSWORD }), 403, 'FORBIDDEN')
    expect(await hashOf(family.id)).toBe(before)
    expect(await statusOf(server.api, other.token)).toBe(200)
  })

  it.each<[string, Record<string, unknown>, string]>([
    ['no new password', { new_password: undefined }, 'new_password'],
    ['a new password of 7 characters', { new_password: 'aB3$xY7' }, 'new_password'],
    ['a new password of 129 characters', { new_password: 'x'.repeat(129) }, 'new_password'],
    ['a common new password', { new_password: 'Password123' }, 'new_password'],
    ['a current password of 129 characters', { current_password: 'x'.repeat(129) }, 'current_password'],
    ['an unknown field', { password: NEW_PASSWORD }, 'password'],
  ])('refuses %s, naming the field', async (_name, changes, field) => {
    const parent = await registerParent(server.api)
    const response = await change(parent, { current_password: PASSWORD, new_password: NEW_PASSWORD, ...changes })
    expectRefusal(response, 400, 'VALIDATION_ERROR', field)
    expect((await logIn(server.api, parent.email)).status).toBe(200)
  })

  it('refuses the e-mail address as new password', async () => {
    const parent = await registerParent(server.api)
    const response = await change(parent, { current_password: PASSWORD, new_password: parent.email.toUpperCase() })
    expectRefusal(response, 400, 'VALIDATION_ERROR', 'new_password')
  })

  it('sets a first password on an account that has none', async () => {
    const parent = await registerParent(server.api)
    await server.deps.db.prisma.account.update({ where: { id: parent.id }, data: { passwordHash: null } })
    expect((await change(parent, { new_password: NEW_PASSWORD })).status).toBe(204)
    expect((await logIn(server.api, parent.email, NEW_PASSWORD)).status).toBe(200)
  })

  // Attack: a login with the old password that is under way while the owner changes it, and comes out alive.
  it('leaves no session alive that was opened with the old password, whichever way the two meet', async () => {
    const parent = await registerParent(server.api)
    await logIn(server.api, parent.email, 'Wrong-Password-1')
    const probe = new pg.Client(server.databaseUrl)
    const holder = new pg.Client(server.databaseUrl)
    await Promise.all([probe.connect(), holder.connect()])
    const waiting = async () => {
      const sql = `SELECT count(*)::int AS waiting FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
      const { rows } = await probe.query<{ waiting: number }>(sql)
      return rows[0]?.waiting ?? 0
    }
    try {
      await holder.query('BEGIN')
      await holder.query('SELECT 1 FROM login_throttles FOR UPDATE')
      let loginAnswered = false
      const login = logIn(server.api, parent.email).finally(() => {
        loginAnswered = true
      })
      while (!loginAnswered && (await waiting()) < 1) await nextTurn()
      let changeAnswered = false
      const changed = change(parent).finally(() => {
        changeAnswered = true
      })
      while (!changeAnswered && (await waiting()) < 2) await nextTurn()
      await holder.query('COMMIT')
      expect((await changed).status).toBe(204)
      const answer = await login
      if (answer.status === 200) {
        expectRefusal(await server.api.get('/v1/parents/me', { token: answer.body.data.tokens.access_token }), 401, 'UNAUTHORIZED')
      } else expectRefusal(answer, 401, 'UNAUTHORIZED')
      expect(await livingSessions(server, parent.id)).toBe(1)
    } finally {
      await Promise.all([probe.end(), holder.end()])
    }
  })
})
