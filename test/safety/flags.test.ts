import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import { childToken, createChild, expectRefusal, type Family, makeFamily, startConversation, takeTurn } from '../helpers/family.ts'
import { discloseIn, flagMessage, flagWords } from '../helpers/flags.ts'
import { holdRows } from '../helpers/row-lock.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const MINUTE_MS = 60_000

describe('safety flags of a family', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  const list = ({ token }: { token: string }, query = '') => server.api.get(`/v1/dashboard/flags${query}`, { token })
  const acknowledge = ({ token }: { token: string }, id: string, key?: string) => server.api.post(`/v1/dashboard/flags/${id}/acknowledge`, { token, key })
  const idsIn = (response: { body: { data: { id: string }[] } }) => response.body.data.map((flag) => flag.id)

  describe('are listed', () => {
    it('newest first, page by page, of all children or of one, the same as in the conversation', async () => {
      const family = await makeFamily(server.api)
      const sister = { ...family, childId: await createChild(server.api, family.token, { name: 'Ada' }) }
      const flags: string[] = []
      for (const child of [family, sister, family]) {
        server.clock.advance(MINUTE_MS)
        flags.unshift((await flagWords(server, child)).id)
      }
      const first = await list(family, '?limit=2')
      const second = await list(family, `?limit=2&cursor=${first.body.meta.cursor}`)
      expect([...idsIn(first), ...idsIn(second)]).toEqual(flags)
      expect([first.body.meta.has_more, second.body.meta.has_more, second.body.meta.cursor]).toEqual([true, false, null])
      const hers = await list(family, `?child_id=${sister.childId}`)
      expect(idsIn(hers)).toEqual([flags[1]])
      const [flag] = hers.body.data
      expect(flag).toMatchObject({ child_id: sister.childId, severity: 'high', created_at: expect.any(String), acknowledged_at: null })
      const { data } = (await server.api.get(`/v1/dashboard/conversations/${flag.conversation_id}`, { token: family.token })).body
      expect(data.safety_flags).toEqual([flag])
      expect(data.messages.map((message: { id: string }) => message.id)).toContain(flag.message_id)
      expect(idsIn(await list(await makeFamily(server.api)))).toEqual([])
    })

    it('in one round trip, and one more for the child named', async () => {
      const family = await makeFamily(server.api)
      await flagWords(server, family)
      const trips = async (query: string) => (await server.deps.db.countRoundTrips(() => list(family, query))).roundTrips
      expect([await trips(''), await trips(`?child_id=${family.childId}`)]).toEqual([1, 2])
    })

    it('without those of the same instant getting lost between two pages', async () => {
      const family = await makeFamily(server.api)
      const flags = new Set<string>()
      for (let count = 0; count < 5; count += 1) flags.add((await flagWords(server, family)).id)
      const seen: string[] = []
      for (let cursor = ''; ; ) {
        const page = await list(family, `?limit=2${cursor}`)
        seen.push(...idsIn(page))
        if (!page.body.meta.has_more) break
        cursor = `&cursor=${page.body.meta.cursor}`
      }
      expect(seen).toHaveLength(5)
      expect(new Set(seen)).toEqual(flags)
    })

    it('to their own parent alone, and not for faulty queries', async () => {
      const family = await makeFamily(server.api)
      const other = await makeFamily(server.api)
      expectRefusal(await list(family, `?child_id=${other.childId}`), 403, 'CHILD_ACCESS_DENIED')
      expectRefusal(await list(family, `?child_id=${newId()}`), 403, 'CHILD_ACCESS_DENIED')
      expectRefusal(await list({ token: await childToken(server.api, family) }), 403, 'FORBIDDEN')
      expectRefusal(await server.api.get('/v1/dashboard/flags'), 401, 'UNAUTHORIZED')
      for (const [query, field] of [
        ['status=seen', 'status'],
        ['limit=0', 'limit'],
        ['limit=101', 'limit'],
        ['cursor=xyz', 'cursor'],
        ['child_id=emma', 'child_id'],
        ['severity=high', 'severity'],
      ])
        expectRefusal(await list(family, `?${query}`), 400, 'VALIDATION_ERROR', field)
    })
  })

  describe('are acknowledged', () => {
    it('once: the first time stays, and they are open no more', async () => {
      const family = await makeFamily(server.api)
      const [seen, open] = [await flagWords(server, family), await flagWords(server, family)]
      const { result: first, roundTrips } = await server.deps.db.countRoundTrips(() => acknowledge(family, seen.id))
      expect([first.status, roundTrips], first.text).toEqual([200, 1])
      const at = first.body.data.acknowledged_at
      expect(first.body.data).toMatchObject({ id: seen.id, acknowledged_at: new Date(server.clock.now()).toISOString().replace('.000', '') })
      server.clock.advance(MINUTE_MS)
      expect((await acknowledge(family, seen.id.toUpperCase())).body.data.acknowledged_at).toBe(at)
      expect(idsIn(await list(family))).toEqual([open.id])
      expect(idsIn(await list(family, '?status=open'))).toEqual([open.id])
      expect(new Set(idsIn(await list(family, '?status=all')))).toEqual(new Set([seen.id, open.id]))
      const { data } = (await server.api.get(`/v1/dashboard/conversations/${seen.conversationId}`, { token: family.token })).body
      expect(data.safety_flags).toMatchObject([{ id: seen.id, acknowledged_at: at }])
    })

    it('by two devices at once, at one time', async () => {
      const family = await makeFamily(server.api)
      const { id } = await flagWords(server, family)
      const rows = await holdRows(server.databaseUrl, 'SELECT 1 FROM safety_flags WHERE id = $1 FOR UPDATE', [id])
      const first = acknowledge(family, id)
      await rows.waiters(1)
      server.clock.advance(MINUTE_MS)
      const second = acknowledge(family, id)
      await rows.waiters(2)
      await rows.release()
      const times = (await Promise.all([first, second])).map((response) => response.body.data.acknowledged_at)
      expect(times[0]).toBe(times[1])
    })

    it('of low severity too: a reply that the child reported', async () => {
      const family = await makeFamily(server.api)
      const conversation = await startConversation(server.api, family)
      const { id } = (await takeTurn(server.api, family, conversation)).body.data.assistant_message
      await server.api.post(`/v1/conversations/${conversation}/messages/${id}/report`, { token: family.token, child: family.childId })
      const [flag] = (await list(family)).body.data
      expect(flag).toMatchObject({ category: 'reported', message_id: id })
      expect((await acknowledge(family, flag.id)).status).toBe(200)
      expect(idsIn(await list(family))).toEqual([])
    })

    it('by their own parent alone; any other is not there', async () => {
      const family = await makeFamily(server.api)
      const { id, conversationId } = await flagWords(server, family)
      const disclosed = await discloseIn(server, family, conversationId, 'words')
      const alsoFound = await flagMessage(server, family, conversationId, disclosed.replyId, 'high', 'family')
      const stranger = await makeFamily(server.api)
      expectRefusal(await acknowledge(stranger, id), 404, 'NOT_FOUND')
      for (const unknown of [newId(), disclosed.id, alsoFound.id]) expectRefusal(await acknowledge(family, unknown), 404, 'NOT_FOUND')
      expectRefusal(await acknowledge(family, 'x'), 400, 'VALIDATION_ERROR', 'flag_id')
      expectRefusal(await acknowledge({ token: await childToken(server.api, family) }, id), 403, 'FORBIDDEN')
      expectRefusal(await server.api.post(`/v1/dashboard/flags/${id}/acknowledge`), 401, 'UNAUTHORIZED')
      expect(await server.deps.db.prisma.safetyFlag.count({ where: { childId: family.childId, acknowledgedAt: null } })).toBe(3)
    })

    it('and go with their child', async () => {
      const family: Family = await makeFamily(server.api)
      const { id } = await flagWords(server, family)
      await server.api.delete(`/v1/children/${family.childId}`, { token: family.token })
      expectRefusal(await acknowledge(family, id), 404, 'NOT_FOUND')
      expect(idsIn(await list(family, '?status=all'))).toEqual([])
    })
  })
})
