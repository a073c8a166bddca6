import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DAY } from '../../src/platform/clock.ts'
import { newId } from '../../src/platform/ids.ts'
import { childToken, createChild, expectRefusal, type Family, makeFamily, PASSWORD, startConversation, TOPIC } from '../helpers/family.ts'
import { calm } from '../helpers/live.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { openChildSocket } from '../helpers/socket.ts'

describe('a child token', () => {
  let server: TestServer
  let address: string
  beforeAll(async () => {
    server = await startTestServer()
    address = await server.listen()
  })
  afterAll(() => server.close())

  const constellation = (token: string, child?: string) => server.api.get('/v1/constellation', { token, child })
  const expectDead = async (token: string) => expectRefusal(await constellation(token), 401, 'UNAUTHORIZED')
  const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString('utf8'))

  it('speaks for its child without a header, or with its own', async () => {
    const family = await makeFamily(server.api)
    const token = await childToken(server.api, family)
    expect(claimsOf(token)).toMatchObject({ sub: family.childId, type: 'child', iss: 'brainspark.app' })
    expect((await constellation(token)).status).toBe(200)
    expect((await constellation(token, family.childId)).status).toBe(200)
    expect((await constellation(token, family.childId.toUpperCase())).status).toBe(200)
    const started = await server.api.post('/v1/conversations', { token, body: { topic_id: TOPIC.space } })
    expect(started.status).toBe(201)
    const row = await server.deps.db.prisma.conversation.findUniqueOrThrow({ where: { id: started.body.data.conversation_id } })
    expect(row.childId).toBe(family.childId)
  })

  // Attack: a child uses its tablet to act as its sibling, or as a child of another family.
  it('is forbidden to speak for anybody else', async () => {
    const [family, other] = await Promise.all([makeFamily(server.api), makeFamily(server.api)])
    const sister = await createChild(server.api, family.token, { name: 'Ada' })
    const token = await childToken(server.api, family)
    for (const child of [sister, other.childId, newId()]) expectRefusal(await constellation(token, child), 403, 'FORBIDDEN')
    const start = await server.api.post('/v1/conversations', { token, child: sister, body: { topic_id: TOPIC.space } })
    expectRefusal(start, 403, 'FORBIDDEN')
    expect(await server.deps.db.prisma.conversation.count({ where: { childId: sister } })).toBe(0)
  })

  // Attack: a child reads or continues its sibling's conversation by its id.
  it("does not reach a sibling's conversation", async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    const sister = await createChild(server.api, family.token, { name: 'Ada' })
    const token = await childToken(server.api, { ...family, childId: sister })
    expectRefusal(await server.api.get(`/v1/conversations/${conversation}/messages`, { token }), 404, 'NOT_FOUND')
    expectRefusal(await server.api.post(`/v1/conversations/${conversation}/end`, { token }), 404, 'NOT_FOUND')
  })

  it.each([
    ['GET', '/v1/auth/sessions'],
    ['DELETE', '/v1/auth/sessions'],
    ['POST', '/v1/auth/logout'],
  ] as const)('is forbidden at %s %s', async (verb, path) => {
    const family = await makeFamily(server.api)
    const token = await childToken(server.api, family)
    expectRefusal(await server.api.send(verb, path, { token }), 403, 'FORBIDDEN')
    expect((await constellation(token)).status).toBe(200)
    expect((await server.api.get('/v1/parents/me', { token: family.token })).status).toBe(200)
  })

  it("outlives the parent's logout", async () => {
    const family = await makeFamily(server.api)
    const token = await childToken(server.api, family)
    expect((await server.api.post('/v1/auth/logout', { token: family.token })).status).toBe(204)
    expectRefusal(await server.api.get('/v1/parents/me', { token: family.token }), 401, 'UNAUTHORIZED')
    expect((await constellation(token)).status).toBe(200)
  })

  it("lasts thirty days, longer than the parent's token, and then says that it has expired", async () => {
    const family = await makeFamily(server.api)
    const token = await childToken(server.api, family)
    server.clock.advance(DAY)
    expectRefusal(await server.api.get('/v1/parents/me', { token: family.token }), 401, 'TOKEN_EXPIRED')
    server.clock.advance(29 * DAY - 1)
    expect((await constellation(token)).status).toBe(200)
    server.clock.advance(1)
    const expired = await constellation(token)
    expectRefusal(expired, 401, 'TOKEN_EXPIRED')
    expect(expired.body.error).toMatchObject({ child_message: expect.any(String), child_animation: expect.any(String) })
  })

  const newPassword = (family: Family) =>
    server.api.post('/v1/auth/password', { token: family.token, body: { current_password: PASSWORD, new_password: 'An0ther-Otter-Parade' } })
  const change = (family: Family, body: unknown) => server.api.patch(`/v1/children/${family.childId}`, { token: family.token, body })
  const endings: readonly [what: string, end: (family: Family) => Promise<{ status: number }>, reason: string][] = [
    ['the child is deleted', (family) => server.api.delete(`/v1/children/${family.childId}`, { token: family.token }), 'child_deleted'],
    ['a PIN is given', (family) => change(family, { pin: '1234' }), 'pin_changed'],
    ['the PIN is taken away', (family) => change(family, { pin: null }), 'pin_changed'],
    ['the password is changed', newPassword, 'password_changed'],
  ]

  // Attack: a tablet that went astray keeps working after the parents have reacted.
  it.each(endings)('dies when %s, on every tablet, with its socket', async (_what, end, reason) => {
    const family = await makeFamily(server.api)
    const tokens = [await childToken(server.api, family), await childToken(server.api, family)]
    const socket = await openChildSocket(address, tokens[0] as string)
    expect((await end(family)).status).toBeLessThan(300)
    for (const token of tokens) await expectDead(token)
    expect(await socket.closed).toBe(4401)
    const sessions = await server.deps.db.prisma.session.findMany({ where: { childId: family.childId } })
    for (const session of sessions) expect(session.revokedReason).toBe(reason)
    const revoked = await server.deps.db.prisma.revokedSession.findMany({ where: { sessionId: { in: tokens.map((token) => claimsOf(token).sid) } } })
    expect(revoked).toHaveLength(2)
  })

  it.each(endings)('of a sibling is touched by a new password alone: %s', async (what, end) => {
    const family = await makeFamily(server.api)
    const sister = await createChild(server.api, family.token, { name: 'Ada' })
    const token = await childToken(server.api, { ...family, childId: sister })
    await end(family)
    if (what === 'the password is changed') await expectDead(token)
    else expect((await constellation(token)).status).toBe(200)
  })

  it('lives on when the name or the settings change', async () => {
    const family = await makeFamily(server.api, { pin: '1234' })
    const token = await childToken(server.api, family, '1234')
    await change(family, { name: 'Emmy', settings: { sound_enabled: false } })
    expect((await constellation(token)).status).toBe(200)
  })

  it('is ended by the parent, like any session', async () => {
    const family = await makeFamily(server.api)
    const token = await childToken(server.api, family)
    const listed = await server.api.get('/v1/auth/sessions', { token: family.token })
    const session = listed.body.data.find((one: { child_id: string | null }) => one.child_id === family.childId)
    expect(session).toMatchObject({ type: 'child', current: false })
    expect((await server.api.delete(`/v1/auth/sessions/${session.id}`, { token: family.token })).status).toBe(204)
    await expectDead(token)
  })

  it('dies on every instance', async () => {
    const second = await startTestServer({ databaseUrl: server.databaseUrl, dataDir: server.dataDir, clock: server.clock })
    try {
      await Promise.all([calm(server), calm(second)])
      const family = await makeFamily(server.api)
      const token = await childToken(server.api, family)
      const { sid } = claimsOf(token)
      expect((await second.api.get('/v1/constellation', { token })).status).toBe(200)
      const heard = new Promise<void>((resolve) => second.deps.revocations.onRevoked((id) => id === sid && resolve()))
      await server.api.delete(`/v1/children/${family.childId}`, { token: family.token })
      await heard
      expectRefusal(await second.api.get('/v1/constellation', { token }), 401, 'UNAUTHORIZED')
    } finally {
      await second.close()
    }
  })

  // Attack: a deleted child's token is answered by an instance that has not yet heard of the deletion.
  it('reaches nothing of a deleted child even where the revocation is not known', async () => {
    const family = await makeFamily(server.api)
    const token = await childToken(server.api, family)
    await server.deps.db.prisma.child.delete({ where: { id: family.childId } })
    expectRefusal(await constellation(token), 403, 'CHILD_ACCESS_DENIED')
  })
})
