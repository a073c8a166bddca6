import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { childToken, expectRefusal, type Family, makeFamily, PASSWORD, startConversation, takeTurn } from '../helpers/family.ts'
import { tablesMentioning, tablesReferring } from '../helpers/mentions.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { openChildSocket } from '../helpers/socket.ts'

const hashOf = (id: string): string => createHash('sha256').update(id).digest('hex')

describe('erasure', () => {
  let server: TestServer
  let address: string
  beforeAll(async () => {
    server = await startTestServer()
    address = await server.listen()
  })
  afterAll(() => server.close())

  async function livedInFamily(): Promise<Family> {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    await takeTurn(server.api, family, conversation, 'Why do stars twinkle?')
    return family
  }
  const receipts = async (token: string) => (await server.api.get('/v1/parents/me/erasures', { token })).body.data
  const goodbye = (token: string, body: object) => server.api.delete('/v1/parents/me', { token, body })

  describe('of a child', () => {
    it('leaves a receipt that lists what was removed, names nobody, and proves that nothing is left', async () => {
      const family = await livedInFamily()
      expect(await receipts(family.token)).toEqual([])
      expect((await server.api.delete(`/v1/children/${family.childId}`, { token: family.token })).status).toBe(204)
      const [receipt, ...more] = await receipts(family.token)
      expect(more).toEqual([])
      expect(receipt).toEqual({
        id: expect.any(String),
        subject_hash: hashOf(family.childId),
        erased_at: '2026-11-21T17:00:00Z',
        removed: expect.objectContaining({ children: 1, conversations: 1, messages: 3, wallets: 1, learners: 1, topic_days: 1, depth_steps: 2 }),
        remaining: 0,
      })
      expect(await tablesReferring(server.databaseUrl, family.childId)).toEqual({})
      expect(await tablesMentioning(server.databaseUrl, family.childId)).toEqual({})
    })

    it('is told once when two devices ask together', async () => {
      const family = await livedInFamily()
      const answers = await Promise.all([1, 2, 3].map(() => server.api.delete(`/v1/children/${family.childId}`, { token: family.token })))
      expect(answers.map((answer) => answer.status).every((status) => status === 204 || status === 403)).toBe(true)
      expect(await receipts(family.token)).toHaveLength(1)
    })

    it('shows the receipts to their own parent alone', async () => {
      const family = await livedInFamily()
      await server.api.delete(`/v1/children/${family.childId}`, { token: family.token })
      expect(await receipts((await makeFamily(server.api)).token)).toEqual([])
      expectRefusal(await server.api.get('/v1/parents/me/erasures'), 401, 'UNAUTHORIZED')
    })
  })

  describe('of an account', () => {
    it('removes everything of everybody in it at once, ends every session and socket, and answers with the receipt', async () => {
      const family = await livedInFamily()
      const tablet = await childToken(server.api, family)
      const socket = await openChildSocket(address, family.token, family.childId)
      const { email_key } = { email_key: family.email.toLowerCase() }
      const erased = await goodbye(family.token, { password: PASSWORD })
      expect(erased.status, erased.text).toBe(200)
      expect(erased.body.data).toMatchObject({
        subject_hash: hashOf(family.id),
        remaining: 0,
        removed: { accounts: 1, parents: 1, children: 1, messages: 3, consents: 3 },
      })
      expect([4401, 4403]).toContain(await socket.closed)
      for (const token of [family.token, tablet]) expectRefusal(await server.api.get('/v1/progress', { token, child: family.childId }), 401, 'UNAUTHORIZED')
      for (const id of [family.id, family.childId]) expect(await tablesReferring(server.databaseUrl, id)).toEqual({})
      expect(await tablesMentioning(server.databaseUrl, email_key)).toEqual({})
      const login = await server.api.post('/v1/auth/login', { body: { email: family.email, password: PASSWORD } })
      expectRefusal(login, 401, 'UNAUTHORIZED')
    })

    it('needs the password of the account', async () => {
      const family = await livedInFamily()
      expectRefusal(await goodbye(family.token, { password: 'not the password' }), 403, 'FORBIDDEN')
      expectRefusal(await goodbye(family.token, {}), 400, 'VALIDATION_ERROR', 'password')
      expectRefusal(await goodbye(family.token, { password: PASSWORD, now: true }), 400, 'VALIDATION_ERROR', 'now')
      expectRefusal(await goodbye(await childToken(server.api, family), { password: PASSWORD }), 403, 'FORBIDDEN')
      expectRefusal(await server.api.delete('/v1/parents/me', { body: { password: PASSWORD } }), 401, 'UNAUTHORIZED')
      expect((await server.api.get('/v1/parents/me', { token: family.token })).body.data.children).toHaveLength(1)
    })

    it('of somebody who signs in elsewhere needs the e-mail address', async () => {
      const family = await livedInFamily()
      await server.deps.db.prisma.account.update({ where: { id: family.id }, data: { passwordHash: null } })
      expectRefusal(await goodbye(family.token, { password: PASSWORD }), 400, 'VALIDATION_ERROR', 'email')
      expectRefusal(await goodbye(family.token, { email: 'somebody@example.com' }), 403, 'FORBIDDEN')
      expect((await goodbye(family.token, { email: family.email.toUpperCase() })).status).toBe(200)
    })

    it('goes well while its children are learning', async () => {
      for (let round = 0; round < 6; round += 1) {
        const family = await makeFamily(server.api)
        const conversation = await startConversation(server.api, family)
        const [erased] = await Promise.all([goodbye(family.token, { password: PASSWORD }), ...[0, 1, 2].map(() => takeTurn(server.api, family, conversation))])
        expect(erased?.status, erased?.text).toBe(200)
        expect(await tablesReferring(server.databaseUrl, family.childId)).toEqual({})
      }
    })
  })
})
