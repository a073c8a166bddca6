import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MINUTE } from '../../src/platform/clock.ts'
import { createChild, expectRefusal, makeFamily, PASSWORD } from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

describe('the PIN of a child', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  const activate = (token: string, childId: string, pin?: string) => server.api.post(`/v1/children/${childId}/activate`, { token, body: pin ? { pin } : {} })
  const change = (token: string, childId: string, body: unknown) => server.api.patch(`/v1/children/${childId}`, { token, body })
  const login = async (email: string): Promise<string> => {
    const response = await server.api.post('/v1/auth/login', { body: { email, password: PASSWORD } })
    expect(response.status, response.text).toBe(200)
    return response.body.data.tokens.access_token
  }
  const guessWrong = async (token: string, childId: string, times: number) => {
    for (let guess = 0; guess < times; guess += 1) {
      const response = await activate(token, childId, '0000')
      expectRefusal(response, 403, 'FORBIDDEN')
      expect(response.body.error.reason).toBe('pin_wrong')
    }
  }
  const childSessions = (childId: string) => server.deps.db.prisma.session.count({ where: { childId } })

  it('opens a session when it is right', async () => {
    const family = await makeFamily(server.api, { pin: '1234' })
    const response = await activate(family.token, family.childId, '1234')
    expect([response.status, response.body.data.child.id]).toEqual([200, family.childId])
    expect(await childSessions(family.childId)).toBe(1)
  })

  // Attack: whoever reads an answer, the log or the database learns the PIN.
  it('is never told nor stored, only that there is one', async () => {
    const family = await makeFamily(server.api, { pin: '8642' })
    const answers = [
      await server.api.get(`/v1/children/${family.childId}`, { token: family.token }),
      await change(family.token, family.childId, { name: 'Emmy' }),
      await change(family.token, family.childId, { pin: '9753' }),
      await activate(family.token, family.childId, '9753'),
      await activate(family.token, family.childId, '8642'),
      await server.api.get('/v1/parents/me', { token: family.token }),
    ]
    for (const { text } of answers) expect(text).not.toMatch(/\b(8642|9753)\b|pin_hash|argon2/)
    expect(answers.slice(0, 3).map((answer) => answer.body.data.has_pin)).toEqual([true, true, true])
    const row = await server.deps.db.prisma.child.findUniqueOrThrow({ where: { id: family.childId } })
    expect(row.pinHash).toMatch(/^\$argon2id\$/)
    expect(server.logs.join('\n')).not.toMatch(/"(8642|9753)"/)
  })

  // Attack: a sibling leaves the PIN out.
  it('is asked for when it is missing, which is no guess', async () => {
    const family = await makeFamily(server.api, { pin: '1234' })
    for (let attempt = 0; attempt < 8; attempt += 1) {
      const response = await activate(family.token, family.childId)
      expectRefusal(response, 403, 'FORBIDDEN')
      expect(response.body.error.reason).toBe('pin_required')
    }
    expect(await childSessions(family.childId)).toBe(0)
    expect((await activate(family.token, family.childId, '1234')).status).toBe(200)
  })

  // Attack: a sibling tries the ten thousand PINs one after another.
  it('is closed for fifteen minutes after five wrong guesses, to the right one too', async () => {
    const family = await makeFamily(server.api, { pin: '1234' })
    await guessWrong(family.token, family.childId, 5)
    const blocked = await activate(family.token, family.childId, '1234')
    expectRefusal(blocked, 429, 'RATE_LIMITED')
    expect([blocked.headers['retry-after'], blocked.body.error.retry_after]).toEqual(['900', 900])
    server.clock.advance(15 * MINUTE - 1)
    const last = await activate(family.token, family.childId, '1234')
    expectRefusal(last, 429, 'RATE_LIMITED')
    expect(last.headers['retry-after']).toBe('1')
    expect(await childSessions(family.childId)).toBe(0)
    server.clock.advance(1)
    expect((await activate(family.token, family.childId, '1234')).status).toBe(200)
  })

  it('gives five guesses again, and no more, after the fifteen minutes', async () => {
    const family = await makeFamily(server.api, { pin: '1234' })
    await guessWrong(family.token, family.childId, 5)
    server.clock.advance(15 * MINUTE)
    await guessWrong(family.token, family.childId, 5)
    expectRefusal(await activate(family.token, family.childId, '1234'), 429, 'RATE_LIMITED')
  })

  it('is not held against longer by guesses made while it is closed', async () => {
    const family = await makeFamily(server.api, { pin: '1234' })
    await guessWrong(family.token, family.childId, 5)
    server.clock.advance(14 * MINUTE)
    expectRefusal(await activate(family.token, family.childId, '0000'), 429, 'RATE_LIMITED')
    server.clock.advance(MINUTE)
    expect((await activate(family.token, family.childId, '1234')).status).toBe(200)
  })

  it('is closed for that session alone', async () => {
    const family = await makeFamily(server.api, { pin: '1234' })
    const other = await login(family.email)
    await guessWrong(family.token, family.childId, 5)
    expectRefusal(await activate(family.token, family.childId, '1234'), 429, 'RATE_LIMITED')
    expect((await activate(other, family.childId, '1234')).status).toBe(200)
    expectRefusal(await activate(family.token, family.childId, '1234'), 429, 'RATE_LIMITED')
  })

  it('is closed for that child alone', async () => {
    const family = await makeFamily(server.api, { pin: '1234' })
    const sister = await createChild(server.api, family.token, { name: 'Ada', pin: '5678' })
    await guessWrong(family.token, family.childId, 5)
    expect((await activate(family.token, sister, '5678')).status).toBe(200)
  })

  it('forgets four wrong guesses when the right one comes', async () => {
    const family = await makeFamily(server.api, { pin: '1234' })
    for (let round = 0; round < 2; round += 1) {
      await guessWrong(family.token, family.childId, 4)
      expect((await activate(family.token, family.childId, '1234')).status).toBe(200)
    }
    expect(await server.deps.db.prisma.pinAttempt.count({ where: { childId: family.childId } })).toBe(0)
  })

  it('is right as the fifth guess', async () => {
    const family = await makeFamily(server.api, { pin: '1234' })
    await guessWrong(family.token, family.childId, 4)
    expect((await activate(family.token, family.childId, '1234')).status).toBe(200)
    await guessWrong(family.token, family.childId, 4)
    expect((await activate(family.token, family.childId, '1234')).status).toBe(200)
  })

  // Attack: many guesses at once, so that each is checked before any is counted.
  it('checks five of twenty guesses that come at once', async () => {
    const family = await makeFamily(server.api, { pin: '1234' })
    const guesses = Array.from({ length: 20 }, (_, guess) => activate(family.token, family.childId, String(2000 + guess)))
    const responses = await Promise.all(guesses)
    expect(responses.filter((response) => response.status === 403)).toHaveLength(5)
    for (const response of responses.filter((one) => one.status !== 403)) expectRefusal(response, 429, 'RATE_LIMITED')
    expectRefusal(await activate(family.token, family.childId, '1234'), 429, 'RATE_LIMITED')
  })

  it('is given, changed and taken away', async () => {
    const family = await makeFamily(server.api)
    expect((await activate(family.token, family.childId)).status).toBe(200)
    expect((await change(family.token, family.childId, { pin: '1234' })).body.data.has_pin).toBe(true)
    expectRefusal(await activate(family.token, family.childId), 403, 'FORBIDDEN')
    expect((await change(family.token, family.childId, { pin: '5678' })).body.data.has_pin).toBe(true)
    expectRefusal(await activate(family.token, family.childId, '1234'), 403, 'FORBIDDEN')
    expect((await activate(family.token, family.childId, '5678')).status).toBe(200)
    expect((await change(family.token, family.childId, { pin: null })).body.data.has_pin).toBe(false)
    expect((await activate(family.token, family.childId)).status).toBe(200)
  })

  it('stays when other things change', async () => {
    const family = await makeFamily(server.api, { pin: '1234' })
    expect((await change(family.token, family.childId, { name: 'Emmy' })).body.data.has_pin).toBe(true)
    expect((await activate(family.token, family.childId, '1234')).status).toBe(200)
  })

  it('starts without guesses when a parent sets another', async () => {
    const family = await makeFamily(server.api, { pin: '1234' })
    await guessWrong(family.token, family.childId, 5)
    await change(family.token, family.childId, { pin: '5678' })
    expect((await activate(family.token, family.childId, '5678')).status).toBe(200)
  })
})
