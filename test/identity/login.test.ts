import argon2 from 'argon2'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { isoSeconds } from '../../src/platform/clock.ts'
import { freshEmail, logIn, sessionOf, statusOf } from '../helpers/accounts.ts'
import type { ApiResponse } from '../helpers/api.ts'
import { expectRefusal, makeFamily, PASSWORD, registerParent } from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const withoutId = ({ body }: ApiResponse) => ({ error: { ...body.error, request_id: undefined } })

describe('logging in', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  it('answers 200 with the profile, the number of children and tokens of a new session', async () => {
    const family = await makeFamily(server.api)
    const response = await logIn(server.api, family.email, PASSWORD, { 'user-agent': 'Phone' })
    expect(response.status).toBe(200)
    expect(response.body).toEqual({
      data: {
        parent: {
          id: family.id,
          email: family.email,
          display_name: 'Alex Parent',
          children_count: 1,
          email_verified: false,
          created_at: isoSeconds(server.clock.now()),
        },
        tokens: { access_token: expect.any(String), refresh_token: expect.any(String), expires_in: 86_400 },
      },
      meta: { request_id: response.headers['x-request-id'] },
    })
    const { access_token: token } = response.body.data.tokens
    const session = await server.deps.db.prisma.session.findUniqueOrThrow({ where: { id: sessionOf(token) } })
    expect(session).toMatchObject({ accountId: family.id, userAgent: 'Phone', childId: null, revokedAt: null })
    expect(sessionOf(token)).not.toBe(sessionOf(family.token))
    expect(await statusOf(server.api, family.token)).toBe(200)
  })

  it('takes the e-mail in any letter case and with blanks around it', async () => {
    const parent = await registerParent(server.api, { email: `Mixed.${freshEmail()}` })
    for (const email of [parent.email.toUpperCase(), parent.email.toLowerCase(), ` ${parent.email} `]) {
      const response = await logIn(server.api, email)
      expect([response.status, response.body.data?.parent.id], email).toEqual([200, parent.id])
    }
  })

  it('takes the password as it was given, letter by letter', async () => {
    const parent = await registerParent(server.api)
    for (const password of [PASSWORD.toLowerCase(), `${PASSWORD} `, PASSWORD.slice(0, -1)]) {
      expectRefusal(await logIn(server.api, parent.email, password), 401, 'UNAUTHORIZED')
    }
  })

  it.each<[string, unknown, string]>([
    ['no e-mail', { password: PASSWORD }, 'email'],
    ['an empty e-mail', { email: '', password: PASSWORD }, 'email'],
    ['an e-mail that is not text', { email: { $ne: '' }, password: PASSWORD }, 'email'],
    ['a null character in the e-mail', { email: 'a\u0000', password: PASSWORD }, 'email'],
    ['no password', { email: 'a@example.com' }, 'password'],
    ['an empty password', { email: 'a@example.com', password: '' }, 'password'],
    ['a password of 129 characters', { email: 'a@example.com', password: 'x'.repeat(129) }, 'password'],
    ['an unknown field', { email: 'a@example.com', password: PASSWORD, remember: true }, 'remember'],
  ])('refuses %s, naming the field', async (_name, body, field) => {
    expectRefusal(await server.api.post('/v1/auth/login', { body }), 400, 'VALIDATION_ERROR', field)
  })

  // Attack: telling from the answer which addresses have an account here.
  it('answers an unknown e-mail and a wrong password alike, and opens no session', async () => {
    const parent = await registerParent(server.api)
    const sessions = await server.deps.db.prisma.session.count()
    const wrong = await logIn(server.api, parent.email, 'Wrong-Password-1')
    const unknown = await logIn(server.api, freshEmail(), 'Wrong-Password-1')
    expectRefusal(wrong, 401, 'UNAUTHORIZED')
    expectRefusal(unknown, 401, 'UNAUTHORIZED')
    expect(withoutId(unknown)).toEqual(withoutId(wrong))
    expect(Object.keys(unknown.headers).sort()).toEqual(Object.keys(wrong.headers).sort())
    expect(await server.deps.db.prisma.session.count()).toBe(sessions)
  })

  // Attack: telling from the time of the answer which addresses have an account here.
  it('verifies an argon2 hash of the same cost for an unknown e-mail, a wrong password and an account without a password', async () => {
    const parent = await registerParent(server.api)
    const passwordless = await registerParent(server.api)
    await server.deps.db.prisma.account.update({ where: { id: passwordless.id }, data: { passwordHash: null } })
    await logIn(server.api, freshEmail(), 'Wrong-Password-1')
    const verify = vi.spyOn(argon2, 'verify')
    try {
      for (const email of [parent.email, freshEmail(), passwordless.email])
        expectRefusal(await logIn(server.api, email, 'Wrong-Password-1'), 401, 'UNAUTHORIZED')
      const costs = verify.mock.calls.map(([hash]) => hash.split('$').slice(1, 4).join('$'))
      expect(costs).toEqual(Array(3).fill('argon2id$v=19$m=19456,t=2,p=1'))
    } finally {
      verify.mockRestore()
    }
  })

  // Attack: an account made by Google has no password; an empty or guessed one must not open it.
  it('never opens an account without a password by a password', async () => {
    const parent = await registerParent(server.api)
    await server.deps.db.prisma.account.update({ where: { id: parent.id }, data: { passwordHash: null } })
    for (const password of ['decoy', 'null', 'undefined', PASSWORD]) expectRefusal(await logIn(server.api, parent.email, password), 401, 'UNAUTHORIZED')
  })
})
