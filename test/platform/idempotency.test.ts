import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DAY, SECOND } from '../../src/platform/clock.ts'
import { newId } from '../../src/platform/ids.ts'
import type { ApiResponse } from '../helpers/api.ts'
import {
  CONSENTS,
  createChild,
  expectRefusal,
  type Family,
  makeFamily,
  PASSWORD,
  registerParent,
  startConversation,
  TOPIC,
  takeTurn,
} from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const EMMA = { name: 'Emma', birth_date: '2018-05-15', interests: ['space', 'art'] }

describe('Idempotency-Key', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  const create = (token: string, key: string, body: unknown = EMMA) => server.api.post('/v1/children', { token, key, body })
  const childrenOf = (parentId: string) => server.deps.db.prisma.child.count({ where: { parentId } })
  const replayed = ({ headers }: ApiResponse) => headers['idempotency-replayed']

  /** A request to make twice, another one to make under its key, and how many things it has made so far. */
  interface Case {
    readonly path: string
    readonly request: (body?: Record<string, unknown>) => { token?: string; child?: string; body?: unknown }
    readonly other: Record<string, unknown>
    readonly made: () => Promise<unknown>
  }
  const cases: readonly [name: string, prepare: (family: Family) => Promise<Case>][] = [
    [
      'POST /v1/children',
      async ({ token, id }) => ({
        path: '/v1/children',
        request: (body) => ({ token, body: { ...EMMA, ...body } }),
        other: { name: 'Noah' },
        made: () => childrenOf(id),
      }),
    ],
    [
      'POST /v1/auth/register',
      async () => {
        const registration = { email: `${newId()}@example.com`, password: PASSWORD, display_name: 'Alex', timezone: 'UTC', consents: CONSENTS }
        return {
          path: '/v1/auth/register',
          request: (body) => ({ body: { ...registration, ...body } }),
          other: { display_name: 'Sam' },
          made: () => server.deps.db.prisma.session.count({ where: { account: { email: registration.email } } }),
        }
      },
    ],
    [
      'POST /v1/conversations',
      async ({ token, childId }) => ({
        path: '/v1/conversations',
        request: (body) => ({ token, child: childId, body: { topic_id: TOPIC.space, ...body } }),
        other: { topic_id: TOPIC.animals },
        made: () => server.deps.db.prisma.conversation.count({ where: { childId } }),
      }),
    ],
    [
      'POST /v1/children/:child_id/activate',
      async ({ token, childId }) => ({
        path: `/v1/children/${childId}/activate`,
        request: (body) => ({ token, body: { ...body } }),
        other: { pin: '1234' },
        made: () => server.deps.db.prisma.session.count({ where: { childId } }),
      }),
    ],
  ]

  describe.each(cases)('%s', (_name, prepare) => {
    it('answers a retry with the first answer, byte for byte, and does nothing again', async () => {
      const { path, request, made } = await prepare(await makeFamily(server.api))
      const key = newId()
      const before = await made()
      const first = await server.api.post(path, { ...request(), key })
      expect(first.status, first.text).toBeLessThan(300)
      expect(replayed(first)).toBeUndefined()
      const after = await made()
      expect(after).not.toEqual(before)
      for (let retry = 0; retry < 2; retry += 1) {
        const again = await server.api.post(path, { ...request(), key })
        expect([again.status, again.text]).toEqual([first.status, first.text])
        expect([replayed(again), again.headers['content-type']]).toEqual(['true', first.headers['content-type']])
      }
      expect(await made()).toEqual(after)
    })

    it('refuses another request under the same key and does nothing', async () => {
      const { path, request, other, made } = await prepare(await makeFamily(server.api))
      const key = newId()
      await server.api.post(path, { ...request(), key })
      const after = await made()
      const response = await server.api.post(path, { ...request(other), key })
      expectRefusal(response, 422, 'UNPROCESSABLE_ENTITY')
      expect(replayed(response)).toBeUndefined()
      expect(await made()).toEqual(after)
    })
  })

  it('pays the end of a conversation once and tells it again', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    await takeTurn(server.api, family, conversation, 0)
    const request = { token: family.token, child: family.childId, key: newId() }
    const first = await server.api.post(`/v1/conversations/${conversation}/end`, request)
    const again = await server.api.post(`/v1/conversations/${conversation}/end`, request)
    expect([again.status, again.text, replayed(again)]).toEqual([200, first.text, 'true'])
    const ledger = await server.deps.db.prisma.starEntry.aggregate({ where: { childId: family.childId }, _sum: { amount: true }, _count: true })
    expect([ledger._sum.amount, ledger._count]).toEqual([5, 1])
    const other = await startConversation(server.api, family, TOPIC.animals)
    expectRefusal(await server.api.post(`/v1/conversations/${other}/end`, request), 422, 'UNPROCESSABLE_ENTITY')
    expect((await server.deps.db.prisma.conversation.findUniqueOrThrow({ where: { id: other } })).endedAt).toBeNull()
  })

  it('replays an answer without a body', async () => {
    const parent = await registerParent(server.api)
    const request = { token: parent.token, key: newId() }
    const path = '/v1/auth/email/resend'
    const first = await server.api.post(path, request)
    const again = await server.api.post(path, request)
    expect([again.status, again.text, replayed(again)]).toEqual([first.status, '', 'true'])
    expect(await server.deps.db.prisma.emailLink.count({ where: { accountId: parent.id } })).toBe(2)
  })

  it('takes a body with its fields in another order for the same, and one with a list in another order for another', async () => {
    const parent = await registerParent(server.api)
    const key = newId()
    const first = await create(parent.token, key)
    const { name, ...rest } = EMMA
    expect((await create(parent.token, key, { ...rest, name })).text).toBe(first.text)
    expectRefusal(await create(parent.token, key, { ...EMMA, interests: ['art', 'space'] }), 422, 'UNPROCESSABLE_ENTITY')
  })

  it('belongs to the child as well as to the body', async () => {
    const family = await makeFamily(server.api)
    const sister = await createChild(server.api, family.token, { name: 'Ada' })
    const request = { token: family.token, key: newId(), body: { topic_id: TOPIC.space } }
    expect((await server.api.post('/v1/conversations', { ...request, child: family.childId })).status).toBe(201)
    expectRefusal(await server.api.post('/v1/conversations', { ...request, child: sister }), 422, 'UNPROCESSABLE_ENTITY')
  })

  it('belongs to the path as well as to the body', async () => {
    const family = await makeFamily(server.api)
    const sister = await createChild(server.api, family.token, { name: 'Ada' })
    const request = { token: family.token, key: newId(), body: {} }
    expect((await server.api.post(`/v1/children/${family.childId}/activate`, request)).status).toBe(200)
    expectRefusal(await server.api.post(`/v1/children/${sister}/activate`, request), 422, 'UNPROCESSABLE_ENTITY')
  })

  // Attack: a stranger guesses a key and is handed another family's answer.
  it('is nothing to another account', async () => {
    const [one, two] = await Promise.all([registerParent(server.api), registerParent(server.api)])
    const first = await create(one.token, '1')
    const second = await create(two.token, '1')
    const third = await create(two.token, '1', { ...EMMA, name: 'Noah' })
    expect([first.status, second.status, replayed(second)]).toEqual([201, 201, undefined])
    expect(second.body.data.id).not.toBe(first.body.data.id)
    expectRefusal(third, 422, 'UNPROCESSABLE_ENTITY')
    expect([await childrenOf(one.id), await childrenOf(two.id)]).toEqual([1, 1])
  })

  it('is nothing to another family that registers with it', async () => {
    const key = newId()
    const register = () => {
      const body = { email: `${newId()}@example.com`, password: PASSWORD, display_name: 'Alex', timezone: 'UTC', consents: CONSENTS }
      return server.api.post('/v1/auth/register', { key, body })
    }
    const [one, two] = [await register(), await register()]
    expect([one.status, two.status], two.text).toEqual([201, 201])
    expect(two.body.data.parent.id).not.toBe(one.body.data.parent.id)
  })

  // Attack: a retry is used to get an answer that the caller may not have any more.
  it('opens no door that has closed since', async () => {
    const family = await makeFamily(server.api)
    const request = { token: family.token, key: newId(), body: {} }
    const path = `/v1/children/${family.childId}/activate`
    expect((await server.api.post(path, request)).status).toBe(200)
    await server.api.delete(`/v1/children/${family.childId}`, { token: family.token })
    expectRefusal(await server.api.post(path, request), 403, 'CHILD_ACCESS_DENIED')
    await server.api.post('/v1/auth/logout', { token: family.token })
    expectRefusal(await server.api.post(path, request), 401, 'UNAUTHORIZED')
  })

  it('is free again after a refusal, whatever the refusal was', async () => {
    const parent = await registerParent(server.api)
    const key = newId()
    expectRefusal(await create(parent.token, key, { ...EMMA, name: '' }), 400, 'VALIDATION_ERROR', 'name')
    expectRefusal(await create(parent.token, key, { ...EMMA, avatar_id: 'avatar_dragon' }), 400, 'VALIDATION_ERROR', 'avatar_id')
    expect(await server.deps.db.prisma.idempotencyKey.count({ where: { scope: parent.id } })).toBe(0)
    const first = await create(parent.token, key)
    expect([first.status, replayed(first)]).toEqual([201, undefined])
    expect(await childrenOf(parent.id)).toBe(1)
  })

  it('is free again after a wrong PIN and after a topic that was locked', async () => {
    const family = await makeFamily(server.api, { pin: '1234' })
    const activate = (pin: string) => server.api.post(`/v1/children/${family.childId}/activate`, { token: family.token, key: 'pin', body: { pin } })
    expectRefusal(await activate('0000'), 403, 'FORBIDDEN')
    expect((await activate('1234')).status).toBe(200)
    const start = (topic_id: string) => server.api.post('/v1/conversations', { token: family.token, child: family.childId, key: 'topic', body: { topic_id } })
    expectRefusal(await start(TOPIC.blackHoles), 422, 'UNPROCESSABLE_ENTITY')
    expect((await start(TOPIC.space)).status).toBe(201)
  })

  it('is remembered for 24 hours', async () => {
    const parent = await registerParent(server.api)
    const first = await create(parent.token, 'daily')
    server.clock.advance(DAY - SECOND)
    const again = await create(parent.token, 'daily')
    expect([again.text, replayed(again)]).toEqual([first.text, 'true'])
    server.clock.advance(SECOND)
    const login = await server.api.post('/v1/auth/login', { body: { email: parent.email, password: PASSWORD } })
    const { access_token } = login.body.data.tokens
    const anew = await create(access_token, 'daily', { ...EMMA, name: 'Noah' })
    expect([anew.status, replayed(anew)]).toEqual([201, undefined])
    expect(anew.body.data.id).not.toBe(first.body.data.id)
    expect((await create(access_token, 'daily', { ...EMMA, name: 'Noah' })).text).toBe(anew.text)
    expect(await childrenOf(parent.id)).toBe(2)
  })

  it.each(['', 'two words', ' ', 'x'.repeat(256), 'é', 'tab\there', '\u0000', '钥'])('is refused as %j', async (key) => {
    const parent = await registerParent(server.api)
    expectRefusal(await create(parent.token, key), 400, 'VALIDATION_ERROR', 'Idempotency-Key')
    expect(await childrenOf(parent.id)).toBe(0)
  })

  it.each(['x'.repeat(255), '!', '~', '"quoted"', "'; DROP TABLE children; --".replaceAll(' ', '_')])('is taken as %j', async (key) => {
    const parent = await registerParent(server.api)
    const first = await create(parent.token, key)
    expect([first.status, (await create(parent.token, key)).text]).toEqual([201, first.text])
    expect(await childrenOf(parent.id)).toBe(1)
  })

  it('says nothing to what may be repeated anyway', async () => {
    const family = await makeFamily(server.api)
    const path = `/v1/children/${family.childId}`
    const rename = (name: string) => server.api.patch(path, { token: family.token, key: 'same', body: { name } })
    expect([(await rename('Ada')).body.data.name, (await rename('Zoe')).body.data.name]).toEqual(['Ada', 'Zoe'])
    const read = await server.api.get(path, { token: family.token, key: 'same' })
    expect([read.status, read.body.data.name, replayed(read)]).toEqual([200, 'Zoe', undefined])
  })

  // Attack: whoever reads the database finds names, tokens and passwords in stored answers and fingerprints.
  it('keeps answers and requests unreadable in the database', async () => {
    const family = await makeFamily(server.api)
    const name = 'Canarina Quill'
    await create(family.token, newId(), { ...EMMA, name, pin: '8642' })
    const activated = await server.api.post(`/v1/children/${family.childId}/activate`, { token: family.token, key: newId(), body: {} })
    const email = `${newId()}@example.com`
    const registration = { email, password: PASSWORD, display_name: 'Canarina', timezone: 'UTC', consents: CONSENTS }
    const registered = await server.api.post('/v1/auth/register', { key: newId(), body: registration })
    const secrets = [name, '8642', PASSWORD, email, activated.body.data.session_token, ...Object.values(registered.body.data.tokens).map(String), '"data"']
    const rows = await server.deps.db.prisma.idempotencyKey.findMany({ where: { OR: [{ scope: family.id }, { scope: { startsWith: 'anonymous:' } }] } })
    expect(rows.length).toBeGreaterThanOrEqual(3)
    for (const { fingerprint, response, ...rest } of rows) {
      const bytes = Buffer.concat([fingerprint, response ?? new Uint8Array()])
      for (const secret of secrets) expect([secret, bytes.includes(secret), JSON.stringify(rest).includes(secret)]).toEqual([secret, false, false])
    }
  })
})
