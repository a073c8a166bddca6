import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FAMILY_EXPORT } from '../../src/family/export.ts'
import { LEARNING_EXPORT } from '../../src/learning/learning-export.ts'
import { childToken, expectRefusal, type Family, makeFamily, startConversation, takeTurn } from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { giveStars } from '../helpers/stars.ts'

const PARTS = [...FAMILY_EXPORT, ...LEARNING_EXPORT]
/** What is not told: copies of answers, encrypted, and forgotten after a day. */
const LEFT_OUT = ['idempotency_keys']

describe('the export of a child', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  const exported = (family: Family) => server.api.get(`/v1/children/${family.childId}/export`, { token: family.token })

  it('tells of every table of the live schema that holds something of a child', async () => {
    const tables = await server.deps.db.prisma.$queryRaw<{ name: string }[]>`
      SELECT table_name AS name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'child_id'`
    const told = PARTS.flatMap((part) => part.tables)
    expect([...tables.map((table) => table.name), 'children'].sort()).toEqual([...told, ...LEFT_OUT].sort())
  })

  it('is one JSON document with every row, and no secret', async () => {
    const family = await makeFamily(server.api, { pin: '1234' })
    await childToken(server.api, family, '1234')
    await server.api.post(`/v1/children/${family.childId}/activate`, { token: family.token, body: { pin: '0000' } })
    await giveStars(server, family.childId, 500)
    const who = { token: family.token, child: family.childId }
    await server.api.get('/v1/brain-spark', who)
    await server.api.post('/v1/shop/avatar_astronaut/purchase', who)
    const conversation = await startConversation(server.api, family)
    const turn = await takeTurn(server.api, family, conversation, 'Why do stars twinkle?')
    await takeTurn(server.api, family, conversation, 0)
    for (let turns = 0; turns < 8; turns += 1) await takeTurn(server.api, family, conversation, 0)
    await server.api.post(`/v1/conversations/${conversation}/messages/${turn.body.data.assistant_message.id}/report`, who)
    const response = await exported(family)
    expect([response.status, response.headers['content-type']]).toEqual([200, 'application/json; charset=utf-8'])
    expect(response.headers['content-disposition']).toBe(`attachment; filename="brainspark-${family.childId}.json"`)
    const { data, meta } = response.body
    expect(meta.request_id).toBe(response.headers['x-request-id'])
    for (const part of PARTS) {
      const [table = ''] = part.tables
      const column = table === 'children' ? 'id' : 'child_id'
      const [count] = await server.deps.db.prisma.$queryRawUnsafe<{ n: number }[]>(
        `SELECT count(*)::int AS n FROM ${table} WHERE ${column} = $1::uuid`,
        family.childId,
      )
      expect(data[part.name], part.name).toHaveLength(count?.n ?? -1)
      expect(count?.n, part.name).toBeGreaterThan(0)
    }
    expect(data.profile[0]).toMatchObject({ name: 'Emma', has_pin: true })
    expect(data.messages.map((message: { content: string }) => message.content)).toContain('Why do stars twinkle?')
    expect(response.text).not.toMatch(/pin_hash|argon2|token_hash/)
  })

  it('holds every message of a long life, page after page, each once', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    await server.deps.db.prisma.message.createMany({
      data: Array.from({ length: 1_234 }, (_, index) => ({
        id: crypto.randomUUID(),
        conversationId: conversation,
        childId: family.childId,
        seq: index + 1,
        role: 'user',
        content: `number ${index}`,
        createdAt: new Date('2026-11-21T17:00:00Z'),
      })),
    })
    const { data } = (await exported(family)).body
    const sequence = data.messages.map((message: { seq: number }) => message.seq)
    expect(sequence).toEqual(Array.from({ length: 1_235 }, (_, index) => index))
  })

  it('is for the parent alone', async () => {
    const family = await makeFamily(server.api)
    const other = await makeFamily(server.api)
    expectRefusal(await exported({ ...other, childId: family.childId }), 403, 'CHILD_ACCESS_DENIED')
    expectRefusal(await exported({ ...family, token: await childToken(server.api, family) }), 403, 'FORBIDDEN')
    expectRefusal(await server.api.get(`/v1/children/${family.childId}/export`), 401, 'UNAUTHORIZED')
  })
})
