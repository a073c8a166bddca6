import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createChild, expectRefusal, type Family, makeFamily, onTheTablet, startConversation, TOPIC, takeTurn } from '../helpers/family.ts'
import { runJob } from '../helpers/jobs.ts'
import { lettersTo, verificationToken } from '../helpers/outbox.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

/** A Sunday, five in the afternoon in New York. */
const SUNDAY_EVENING = '2026-11-22T22:00:00Z'
const DIGEST = "Your family's week with BrainSpark"
const REMINDER = 'A streak is waiting for today'
const DAY_MS = 86_400_000

describe('notices by mail', () => {
  let server: TestServer
  let twin: TestServer
  beforeAll(async () => {
    server = await startTestServer()
    twin = await startTestServer({ databaseUrl: server.databaseUrl, dataDir: server.dataDir, clock: server.clock })
  })
  beforeEach(() => server.clock.set('2026-11-21T17:00:00Z'))
  afterAll(async () => {
    await twin.close()
    await server.close()
  })

  async function verifiedFamily(options: Parameters<typeof makeFamily>[1] = {}): Promise<Family> {
    const family = await makeFamily(server.api, options)
    const token = await verificationToken(server, family.email)
    expect((await server.api.post('/v1/auth/email/verify', { body: { token } })).status).toBe(204)
    return family
  }

  const mailsTo = async (family: Family, subject: string) => (await lettersTo(server, family.email)).filter((mail) => mail.subject === subject)

  async function learn(family: Family, ...said: (string | number)[]): Promise<void> {
    const conversation = await startConversation(server.api, family, TOPIC.space)
    for (const words of said) await takeTurn(server.api, family, conversation, words)
    await server.api.post(`/v1/conversations/${conversation}/end`, { token: family.token, child: family.childId })
  }

  const digests = () => Promise.all([server, twin].map((instance) => runJob(instance, 'weekly-digests')))
  const reminders = () => Promise.all([server, twin].map((instance) => runJob(instance, 'streak-reminders')))

  describe('the weekly digest', () => {
    it('goes out once on Sunday evening of the parent, from two instances, and tells what was explored and a question for dinner', async () => {
      const family = await verifiedFamily({ name: 'Ada <b>' })
      await createChild(server.api, family.token, { name: 'Quiet' })
      await learn(family, 'Why do stars twinkle?', 0)
      await digests()
      expect(await mailsTo(family, DIGEST)).toEqual([])
      server.clock.set(SUNDAY_EVENING)
      await digests()
      await digests()
      const [mail, ...more] = await mailsTo(family, DIGEST)
      expect(more).toEqual([])
      expect(mail?.text).toMatch(/Ada <b>: \d+ minutes? in 1 conversation/)
      expect(mail?.text).toMatch(/Ada <b> explored .*why stars twinkle/)
      expect(mail?.text).toMatch(/A question for dinner: .+\?/)
      expect(mail?.text).not.toContain('Quiet')
      expect(mail?.html).toContain('Ada &lt;b&gt;')
      expect(mail?.html).not.toContain('Ada <b>')
    })

    it('is not sent to unverified addresses, to parents who do not want it, or after a week without learning', async () => {
      const unverified = await makeFamily(server.api)
      await learn(unverified, 0)
      const unwilling = await verifiedFamily()
      await learn(unwilling, 0)
      await server.api.patch('/v1/parents/me', { token: unwilling.token, body: { settings: { notifications: { email_digest: false } } } })
      const idle = await verifiedFamily()
      server.clock.set(SUNDAY_EVENING)
      await digests()
      for (const family of [unverified, unwilling, idle]) expect(await mailsTo(family, DIGEST)).toEqual([])
    })

    it('ends with the one click of RFC 8058, and opening the link alone changes nothing', async () => {
      const family = await verifiedFamily()
      await learn(family, 0)
      server.clock.set(SUNDAY_EVENING)
      await digests()
      const [mail] = await mailsTo(family, DIGEST)
      expect(mail?.headers['list-unsubscribe-post']).toBe('List-Unsubscribe=One-Click')
      const link = new URL(/<(.+)>/.exec(mail?.headers['list-unsubscribe'] ?? '')?.[1] ?? '')
      expect(mail?.text).toContain(String(link))
      const where = link.pathname + link.search
      const wants = async () => {
        const { settings } = await server.deps.db.prisma.parent.findUniqueOrThrow({ where: { id: family.id } })
        return (settings as { notifications: Record<string, boolean> }).notifications
      }
      expect((await server.api.get(where)).text).toContain('<form method="post">')
      expect(await wants()).toMatchObject({ email_digest: true })
      const click = () => server.api.post(where, { body: 'List-Unsubscribe=One-Click', headers: { 'content-type': 'application/x-www-form-urlencoded' } })
      // RFC 8058 prefers multipart and allows urlencoded.
      const parts = { body: '--x\r\n\r\nOne-Click\r\n--x--', headers: { 'content-type': 'multipart/form-data; boundary=x' } }
      expect([(await click()).status, (await click()).status, (await server.api.post(where, parts)).status]).toEqual([200, 200, 200])
      expect(await wants()).toEqual({ email_digest: false, push_enabled: true, streak_reminders: true })
      expectRefusal(await server.api.post('/v1/notifications/unsubscribe?token=forged'), 400, 'VALIDATION_ERROR', 'token')
    })
  })

  describe('the streak reminder', () => {
    it('goes out once in the evening of a day that would end a streak, and not when the day has counted or was frozen', async () => {
      const families = [await verifiedFamily(), await verifiedFamily(), await verifiedFamily()]
      const tablets = await Promise.all(families.map((family) => onTheTablet(server.api, family)))
      for (const day of [1, 2, 3]) {
        server.clock.set(Date.parse('2026-11-30T17:00:00Z') + day * DAY_MS)
        for (const tablet of tablets) await learn(tablet, 0)
      }
      const [lazy, keen, frozen] = tablets as [Family, Family, Family]
      server.clock.set('2026-12-04T22:00:00Z')
      await learn(keen, 0)
      expect((await server.api.post('/v1/streaks/freeze', { token: frozen.token, child: frozen.childId })).status).toBe(200)
      await reminders()
      expect(await mailsTo(lazy, REMINDER)).toEqual([])
      server.clock.set('2026-12-04T23:10:00Z')
      await reminders()
      await reminders()
      const [mail, ...more] = await mailsTo(lazy, REMINDER)
      expect(more).toEqual([])
      expect(mail?.text).toContain("Emma's streak of 3 days goes on with one question today.")
      for (const family of [keen, frozen]) expect(await mailsTo(family, REMINDER)).toEqual([])
    })
  })
})
