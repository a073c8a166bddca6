import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CLAIM_LEASE_MS } from '../../src/platform/http/idempotency.ts'
import { newId } from '../../src/platform/ids.ts'
import type { ApiResponse } from '../helpers/api.ts'
import { CONSENTS, expectRefusal, makeFamily, PASSWORD, type Parent, registerParent, TOPIC } from '../helpers/family.ts'
import { calm } from '../helpers/live.ts'
import { holdRows } from '../helpers/row-lock.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const EMMA = { name: 'Emma', birth_date: '2018-05-15' }

describe('Idempotency-Key under races and crashes', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  const create = (parent: Parent, key: string, body: unknown = EMMA) => server.api.post('/v1/children', { token: parent.token, key, body })
  const childrenOf = (parentId: string) => server.deps.db.prisma.child.findMany({ where: { parentId }, select: { id: true } })
  const replayed = ({ headers }: ApiResponse) => headers['idempotency-replayed'] === 'true'
  const holdParent = (parent: Parent) => holdRows(server.databaseUrl, 'SELECT 1 FROM parents WHERE id = $1 FOR UPDATE', [parent.id])
  /** What a process leaves that dies after the commit of the work and before it could store the answer. */
  const forgetAnswer = (where: { scope?: string; key: string }) =>
    server.deps.db.prisma.idempotencyKey.updateMany({ where, data: { status: null, response: null } })

  it('answers 409 while the first request is carried out, 422 to another one, and replays afterwards', async () => {
    const parent = await registerParent(server.api)
    const rows = await holdParent(parent)
    const first = create(parent, 'k')
    await rows.waiters(1)
    const conflict = await create(parent, 'k')
    const other = await create(parent, 'k', { ...EMMA, name: 'Noah' })
    await rows.release()
    expectRefusal(conflict, 409, 'CONFLICT')
    expectRefusal(other, 422, 'UNPROCESSABLE_ENTITY')
    const answer = await first
    expect([answer.status, replayed(answer)]).toEqual([201, false])
    const again = await create(parent, 'k')
    expect([again.text, replayed(again)]).toEqual([answer.text, true])
    expect(await childrenOf(parent.id)).toEqual([{ id: answer.body.data.id }])
  })

  it('holds up no other key of the account', async () => {
    const family = await makeFamily(server.api)
    const rows = await holdParent(family)
    const first = create(family, 'k')
    await rows.waiters(1)
    const start = await server.api.post('/v1/conversations', { token: family.token, child: family.childId, key: 'other', body: { topic_id: TOPIC.space } })
    await rows.release()
    expect([start.status, (await first).status]).toEqual([201, 201])
  })

  it('makes one child of twenty requests at once', async () => {
    const parent = await registerParent(server.api)
    const responses = await Promise.all(Array.from({ length: 20 }, () => create(parent, 'k')))
    const made = responses.filter((response) => response.status === 201)
    expect(made.filter((response) => !replayed(response))).toHaveLength(1)
    expect(new Set(made.map((response) => response.text)).size).toBe(1)
    for (const response of responses.filter((one) => one.status !== 201)) expectRefusal(response, 409, 'CONFLICT')
    expect(await childrenOf(parent.id)).toHaveLength(1)
  })

  it('opens one session for twenty activations at once', async () => {
    const family = await makeFamily(server.api)
    const activate = () => server.api.post(`/v1/children/${family.childId}/activate`, { token: family.token, key: 'k', body: {} })
    const responses = await Promise.all(Array.from({ length: 20 }, activate))
    for (const response of responses) expect([200, 409]).toContain(response.status)
    expect(await server.deps.db.prisma.session.count({ where: { childId: family.childId } })).toBe(1)
  })

  it('serves two instances as one', async () => {
    const second = await startTestServer({ databaseUrl: server.databaseUrl, dataDir: server.dataDir, clock: server.clock })
    try {
      await Promise.all([calm(server), calm(second)])
      const parent = await registerParent(server.api)
      const request = { token: parent.token, key: 'k', body: EMMA }
      const responses = await Promise.all(Array.from({ length: 10 }, (_, index) => (index % 2 ? server : second).api.post('/v1/children', request)))
      for (const response of responses) expect([201, 409]).toContain(response.status)
      const [one, two] = [await server.api.post('/v1/children', request), await second.api.post('/v1/children', request)]
      expect([two.text, replayed(one), replayed(two)]).toEqual([one.text, true, true])
      expect(await childrenOf(parent.id)).toHaveLength(1)
    } finally {
      await second.close()
    }
  })

  it('carries on after a crash between the work and its answer, without a second child', async () => {
    const parent = await registerParent(server.api)
    const first = await create(parent, 'k')
    expect((await forgetAnswer({ scope: parent.id, key: 'k' })).count).toBe(1)
    expectRefusal(await create(parent, 'k'), 409, 'CONFLICT')
    server.clock.advance(CLAIM_LEASE_MS - 1)
    expectRefusal(await create(parent, 'k'), 409, 'CONFLICT')
    server.clock.advance(1)
    expectRefusal(await create(parent, 'k', { ...EMMA, name: 'Noah' }), 422, 'UNPROCESSABLE_ENTITY')
    const retried = await create(parent, 'k')
    expect([retried.status, replayed(retried)]).toEqual([201, false])
    expect(retried.body.data).toEqual(first.body.data)
    const again = await create(parent, 'k')
    expect([again.text, replayed(again)]).toEqual([retried.text, true])
    expect(await childrenOf(parent.id)).toHaveLength(1)
  })

  it('lets one of many retries take over after a crash', async () => {
    const parent = await registerParent(server.api)
    const first = await create(parent, 'k')
    await forgetAnswer({ scope: parent.id, key: 'k' })
    server.clock.advance(CLAIM_LEASE_MS)
    const responses = await Promise.all(Array.from({ length: 10 }, () => create(parent, 'k')))
    const made = responses.filter((response) => response.status === 201)
    expect(made.filter((response) => !replayed(response))).toHaveLength(1)
    for (const response of made) expect(response.body.data.id).toBe(first.body.data.id)
    for (const response of responses.filter((one) => one.status !== 201)) expectRefusal(response, 409, 'CONFLICT')
    expect(await childrenOf(parent.id)).toHaveLength(1)
  })

  it('carries on after a crash before the work', async () => {
    const parent = await registerParent(server.api)
    const first = await create(parent, 'k')
    await forgetAnswer({ scope: parent.id, key: 'k' })
    await server.deps.db.prisma.child.delete({ where: { id: first.body.data.id } })
    server.clock.advance(CLAIM_LEASE_MS)
    expect((await create(parent, 'k')).status).toBe(201)
    expect(await childrenOf(parent.id)).toHaveLength(1)
  })

  it('makes one child when a request that was taken for dead finishes after all', async () => {
    const parent = await registerParent(server.api)
    const rows = await holdParent(parent)
    const slow = create(parent, 'k')
    await rows.waiters(1)
    server.clock.advance(CLAIM_LEASE_MS)
    const retry = create(parent, 'k')
    await rows.waiters(2)
    await rows.release()
    const [one, two] = [await slow, await retry]
    expect([one.status, two.status]).toEqual([201, 201])
    expect(one.body.data.id).toBe(two.body.data.id)
    expect(await childrenOf(parent.id)).toEqual([{ id: one.body.data.id }])
    expect((await create(parent, 'k')).status).toBe(201)
  })

  it('signs the same new account in when registering is retried after a crash', async () => {
    const key = newId()
    const body = { email: `${newId()}@example.com`, password: PASSWORD, display_name: 'Alex', timezone: 'UTC', consents: CONSENTS }
    const first = await server.api.post('/v1/auth/register', { key, body })
    await forgetAnswer({ key })
    server.clock.advance(CLAIM_LEASE_MS)
    const retried = await server.api.post('/v1/auth/register', { key, body })
    expect([retried.status, retried.body.data?.parent], retried.text).toEqual([201, first.body.data.parent])
    const { access_token } = retried.body.data.tokens
    expect((await server.api.get('/v1/parents/me', { token: access_token })).body.data.id).toBe(first.body.data.parent.id)
    expect(await server.deps.db.prisma.account.count({ where: { email: body.email } })).toBe(1)
    expect(await server.deps.db.prisma.consent.count({ where: { accountId: first.body.data.parent.id } })).toBe(3)
  })

  it('gives the same conversation when starting is retried after a crash', async () => {
    const family = await makeFamily(server.api)
    const start = () => server.api.post('/v1/conversations', { token: family.token, child: family.childId, key: 'k', body: { topic_id: TOPIC.space } })
    const first = await start()
    await forgetAnswer({ scope: family.id, key: 'k' })
    server.clock.advance(CLAIM_LEASE_MS)
    const retried = await start()
    expect([retried.status, retried.body.data]).toEqual([201, first.body.data])
    expect(await server.deps.db.prisma.conversation.count({ where: { childId: family.childId } })).toBe(1)
    expect(await server.deps.db.prisma.message.count({ where: { childId: family.childId } })).toBe(1)
  })

  it('survives a restart', async () => {
    const parent = await registerParent(server.api)
    const first = await create(parent, 'k')
    const restarted = await startTestServer({ databaseUrl: server.databaseUrl, dataDir: server.dataDir, clock: server.clock })
    try {
      await calm(restarted)
      const again = await restarted.api.post('/v1/children', { token: parent.token, key: 'k', body: EMMA })
      expect([again.text, replayed(again)]).toEqual([first.text, true])
    } finally {
      await restarted.close()
    }
  })

  it('survives a new encryption key in front of the old one', async () => {
    const [older, newer] = [Buffer.alloc(32, 1).toString('base64'), Buffer.alloc(32, 2).toString('base64')]
    const shared = { databaseUrl: server.databaseUrl, dataDir: server.dataDir, clock: server.clock }
    const parent = await registerParent(server.api)
    const request = { token: parent.token, key: 'k', body: EMMA }
    const answers: ApiResponse[] = []
    for (const keys of [older, `${newer},${older}`]) {
      const instance = await startTestServer({ ...shared, env: { ENCRYPTION_KEYS: keys } })
      try {
        await calm(instance)
        answers.push(await instance.api.post('/v1/children', request))
      } finally {
        await instance.close()
      }
    }
    const [first, again] = answers as [ApiResponse, ApiResponse]
    expect([again.status, again.text, replayed(again)]).toEqual([201, first.text, true])
  })
})
