import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import { childToken, createChild, expectRefusal, type Family, makeFamily, startConversation, takeTurn } from '../helpers/family.ts'
import { tablesMentioning, tablesReferring } from '../helpers/mentions.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

describe('deleting a child', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  /** A child that has left a row wherever a child can leave one. */
  async function livedInFamily(): Promise<Family & { conversation: string; creation: { token: string; key: string; body: { name: string } } }> {
    const { api } = server
    const parent = await makeFamily(api)
    const name = `Quillonette ${newId().slice(0, 8)}`
    const creation = { token: parent.token, key: 'first', body: { name, birth_date: '2018-05-15', interests: ['space'], pin: '1234' } }
    const created = await api.post('/v1/children', creation)
    expect(created.status, created.text).toBe(201)
    const family = { ...parent, childId: created.body.data.id as string }
    await childToken(api, family, '1234')
    expectRefusal(await api.post(`/v1/children/${family.childId}/activate`, { token: family.token, body: { pin: '0000' } }), 403, 'FORBIDDEN')
    const conversation = await startConversation(api, family)
    for (let turn = 0; turn < 6; turn += 1) expect((await takeTurn(api, family, conversation, 0)).status).toBe(201)
    const ended = await api.post(`/v1/conversations/${conversation}/end`, { token: family.token, child: family.childId, key: 'end' })
    expect(ended.status, ended.text).toBe(200)
    return { ...family, conversation, creation }
  }

  it('removes every row that refers to it, in every table there is', async () => {
    const family = await livedInFamily()
    const before = await tablesReferring(server.databaseUrl, family.childId)
    expect(Object.keys(before)).toEqual(
      expect.arrayContaining([
        ...['children', 'sessions', 'pin_attempts', 'idempotency_keys', 'learners', 'conversations', 'messages'],
        ...['topic_progress', 'topic_days', 'wallets', 'star_ledger', 'badges'],
      ]),
    )
    expect((await server.api.delete(`/v1/children/${family.childId}`, { token: family.token })).status).toBe(204)
    expect(await tablesReferring(server.databaseUrl, family.childId)).toEqual({})
  })

  it('removes every mention of its id, its conversation and its name', async () => {
    const family = await livedInFamily()
    const texts = [family.childId, family.conversation, family.creation.body.name]
    for (const text of texts) expect(await tablesMentioning(server.databaseUrl, text)).not.toEqual({})
    expect((await server.api.delete(`/v1/children/${family.childId}`, { token: family.token })).status).toBe(204)
    expect(await Promise.all(texts.map((text) => tablesMentioning(server.databaseUrl, text)))).toEqual([{}, {}, {}])
  })

  // Attack: a parent's device that kept the Idempotency-Key brings the deleted child's name back.
  it('does not tell the deleted child again when its creation is retried', async () => {
    const family = await livedInFamily()
    await server.api.delete(`/v1/children/${family.childId}`, { token: family.token })
    const retried = await server.api.post('/v1/children', family.creation)
    expect(retried.text).not.toContain(family.childId)
  })

  it('leaves the sister, the other family and the account as they were', async () => {
    const family = await livedInFamily()
    const other = await livedInFamily()
    const sister = await createChild(server.api, family.token, { name: 'Ada' })
    const sisterToken = await childToken(server.api, { ...family, childId: sister })
    const kept = [sister, other.childId, other.conversation]
    const before = await Promise.all(kept.map((id) => tablesReferring(server.databaseUrl, id)))
    await server.api.delete(`/v1/children/${family.childId}`, { token: family.token })
    expect(await Promise.all(kept.map((id) => tablesReferring(server.databaseUrl, id)))).toEqual(before)
    expect((await server.api.get('/v1/constellation', { token: sisterToken })).status).toBe(200)
    expect((await server.api.get('/v1/parents/me', { token: family.token })).status).toBe(200)
  })

  it('leaves nothing behind when a turn is taken meanwhile', async () => {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    const [turn, removed] = await Promise.all([
      takeTurn(server.api, family, conversation, 0),
      server.api.delete(`/v1/children/${family.childId}`, { token: family.token }),
    ])
    expect(removed.status).toBe(204)
    expect(turn.status, turn.text).toBeLessThan(500)
    expect(await tablesReferring(server.databaseUrl, family.childId)).toEqual({})
  })
})
