import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { OpenAPIV3 } from 'openapi-types'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { HOUR, MINUTE } from '../../src/platform/clock.ts'
import { newId } from '../../src/platform/ids.ts'
import { safeguardingService } from '../../src/safety/safeguarding.service.ts'
import { verifyAddress } from '../helpers/accounts.ts'
import { NOON } from '../helpers/clock.ts'
import { childToken, expectRefusal, type Family, makeFamily, startConversation, TOPIC, takeTurn } from '../helpers/family.ts'
import { discloseIn, flagMessage, flagWords } from '../helpers/flags.ts'
import { runJob } from '../helpers/jobs.ts'
import { tablesMentioning, tablesReferring } from '../helpers/mentions.ts'
import { documentOf, inlined, operationsOf } from '../helpers/openapi.ts'
import { lettersTo, VERIFY_SUBJECT } from '../helpers/outbox.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { runToEnd } from '../helpers/server-process.ts'

const OFFICER = 'officer@example.com'
const WORDS = 'the xylograph uncle secret'
const HELP = 'thank you, call the zeppelin line'
const WAITS = 'BrainSpark safeguarding: a disclosure waits'
const STILL_WAITS = 'BrainSpark safeguarding: a disclosure still waits'

let server: TestServer
let twin: TestServer
/** Shares the rest with them, but nobody answers for child protection. */
let unwatched: TestServer
beforeAll(async () => {
  server = await startTestServer({ env: { SAFEGUARDING_EMAIL: OFFICER } })
  const shared = { databaseUrl: server.databaseUrl, dataDir: server.dataDir, clock: server.clock }
  twin = await startTestServer({ ...shared, env: { SAFEGUARDING_EMAIL: OFFICER } })
  unwatched = await startTestServer(shared)
})
beforeEach(async () => {
  await server.deps.db.prisma.safetyFlag.deleteMany()
  server.clock.set(NOON)
})
afterAll(async () => {
  for (const { logs } of [server, twin, unwatched]) expect(logs.filter((line) => /xylograph|zeppelin|Emma|@example\.com/.test(line))).toEqual([])
  for (const instance of [unwatched, twin, server]) await instance.close()
})

/** A child in the middle of a talk about space. */
async function talkingFamily(): Promise<Family & { conversationId: string }> {
  const family = await makeFamily(server.api, { name: 'Emma Bramblewick' })
  await verifyAddress(server, family.email)
  const conversationId = await startConversation(server.api, family)
  for (const said of ['Why do stars twinkle?', 0]) expect((await takeTurn(server.api, family, conversationId, said)).status).toBe(201)
  return { ...family, conversationId }
}

const run = (...instances: readonly TestServer[]) => Promise.all(instances.map((instance) => runJob(instance, 'safety-alerts')))
const waiting = async (instance = server) => /^brainspark_safeguarding_waiting (\S+)$/m.exec((await instance.api.get('/metrics')).text)?.[1]

describe('the mail to those who answer for child protection', () => {
  const lettersFor = async (flagId: string) => (await lettersTo(server, OFFICER)).filter((letter) => letter.text.includes(flagId))

  it('goes out once, with ids and the time alone, and once more after 24 hours; the parents get none', async () => {
    const family = await talkingFamily()
    const { id } = await discloseIn(server, family, family.conversationId, WORDS, HELP)
    await run(server, twin, unwatched)
    await run(server, twin, unwatched)
    const [letter, ...more] = await lettersFor(id)
    expect([letter?.subject, more]).toEqual([WAITS, []])
    expect(letter?.text).toContain(`child ${family.childId}`)
    expect(letter?.text).toContain(`flag ${id}, 2026-11-21T17:00:00Z`)
    expect(letter?.text).toContain(`npm run safeguarding -- show ${id}`)
    expect(JSON.stringify(letter)).not.toMatch(/xylograph|zeppelin|Emma|Bramblewick|self_harm|Alex/)
    server.clock.advance(24 * HOUR)
    await run(server, twin, unwatched)
    server.clock.advance(24 * HOUR)
    await run(server, twin, unwatched)
    expect((await lettersFor(id)).map((found) => found.subject).sort()).toEqual([STILL_WAITS, WAITS])
    expect((await lettersTo(server, family.email)).map((found) => found.subject)).toEqual([VERIFY_SUBJECT])
  })

  it('needs no verified address of the parent, and is due whatever the severity', async () => {
    const family = await makeFamily(server.api)
    const { id, messageId, conversationId } = await discloseIn(server, family, await startConversation(server.api, family), WORDS)
    await server.deps.db.prisma.safetyFlag.update({ where: { id }, data: { severity: 'low' } })
    await run(server, twin)
    expect(await lettersFor(id)).toHaveLength(1)
    // What else is found in withheld words is nothing for the family either.
    await verifyAddress(server, family.email)
    await server.deps.db.prisma.safetyFlag.deleteMany({ where: { id } })
    await flagMessage(server, family, conversationId, messageId, 'high', 'family')
    await run(server, twin)
    expect((await lettersTo(server, family.email)).map((letter) => letter.subject)).toEqual([VERIFY_SUBJECT])
  })

  it('is not sent where nobody is named: a start warns of it once, metrics count what waits, and it goes out when somebody is', async () => {
    const family = await talkingFamily()
    expect([await waiting(), await waiting(unwatched)]).toEqual(['0', '0'])
    const { id } = await discloseIn(server, family, family.conversationId, WORDS)
    await flagWords(server, family)
    await run(unwatched)
    expect([await waiting(), await waiting(unwatched), await lettersFor(id)]).toEqual(['1', '1', []])
    const warnings = ({ logs }: TestServer) => logs.filter((line) => line.includes('SAFEGUARDING_EMAIL')).map((line) => JSON.parse(line).level)
    expect([warnings(server), warnings(unwatched)]).toEqual([[], ['warn']])
    server.clock.advance(HOUR)
    await run(server)
    expect(await lettersFor(id)).toHaveLength(1)
    expect(await waiting()).toBe('1')
  })
})

describe('what is withheld', () => {
  type Answers = Readonly<Record<string, { status: number; text: string }>>

  /** Every GET of the API that is not public, as the parent and as the child, with each value of each query parameter that has a list of them. */
  async function everythingTold(family: Family & { conversationId: string }, ids: Readonly<Record<string, string>>): Promise<Answers> {
    const document = documentOf(server.app)
    const tablet = await childToken(server.api, family)
    const answers: Record<string, { status: number; text: string }> = {}
    for (const { method, path: template, operation } of operationsOf(document)) {
      if (method !== 'get' || operation.security?.length === 0 || !template.startsWith('/v1/')) continue
      const parameters = (operation.parameters ?? []) as OpenAPIV3.ParameterObject[]
      const enums = parameters.flatMap(({ name, in: place, schema }) => {
        const values = (schema && (inlined(document, schema) as OpenAPIV3.SchemaObject).enum) ?? []
        return place === 'query' ? values.map((value) => `?${name}=${value}`) : []
      })
      const url = template.replace(/\{(\w+)\}/g, (_match, name: string) => ids[name] as string)
      const isForChild = parameters.some((parameter) => parameter.name === 'X-Child-ID')
      for (const query of ['', ...enums]) {
        const asked = isForChild ? { parent: { token: family.token, child: family.childId }, child: { token: tablet } } : { parent: { token: family.token } }
        for (const [who, request] of Object.entries(asked)) {
          const { status, body } = await server.api.get(url + query, request)
          const { request_id, ...meta } = body.meta ?? {}
          answers[`${who} at ${url}${query}`] = { status, text: JSON.stringify({ ...body, meta }) }
        }
      }
    }
    return answers
  }

  /** The answers without the sessions that asking made. */
  const withoutSessions = (answers: Answers): Answers =>
    Object.fromEntries(
      Object.entries(answers)
        .filter(([name]) => !name.includes('/auth/sessions'))
        .map(([name, { status, text }]) => [name, { status, text: text.replace(/"sessions":\[.*?\],/, '') }]),
    )

  // Attack: a caregiver reads, counts, exports and compares, to find out whether the child has told.
  it('changes no answer that its family can get, by a word, an id or a number', async () => {
    const family = await talkingFamily()
    const ids = { child_id: family.childId, conversation_id: family.conversationId, topic_id: TOPIC.space }
    await everythingTold(family, ids)
    const before = await everythingTold(family, ids)
    const { id, messageId, replyId } = await discloseIn(server, family, family.conversationId, WORDS, HELP)
    const [opening] = (await server.api.get(`/v1/conversations/${family.conversationId}/messages`, { token: family.token, child: family.childId })).body.data
    const flags = [
      id,
      (await flagMessage(server, family, family.conversationId, replyId, 'high', 'family')).id,
      (await flagMessage(server, family, family.conversationId, opening.id, 'high', 'safeguarding')).id,
    ]
    const after = await everythingTold(family, ids)
    expect(Object.keys(after).length).toBeGreaterThan(40)
    expect(Object.entries(after).filter(([, { status }]) => status !== 200)).toEqual([])
    for (const [name, { text }] of Object.entries(after))
      for (const secret of ['xylograph', 'zeppelin', messageId, replyId, ...flags]) expect(text, name).not.toContain(secret)
    expect(withoutSessions(after)).toEqual(withoutSessions(before))
    for (const flag of flags) expectRefusal(await server.api.post(`/v1/dashboard/flags/${flag}/acknowledge`, { token: family.token }), 404, 'NOT_FOUND')
    expect(after[`parent at /v1/children/${family.childId}/export`]?.text).toContain('Why do stars twinkle?')
  })

  it('is not missed when the talk goes on: pages, places and counts close up', async () => {
    const family = await talkingFamily()
    const { conversationId, childId, token } = family
    await discloseIn(server, family, conversationId, WORDS, HELP)
    expect((await takeTurn(server.api, family, conversationId, 0)).status).toBe(201)
    const roles = ['assistant', 'user', 'assistant', 'user', 'assistant', 'user', 'assistant']
    const exported = (await server.api.get(`/v1/children/${childId}/export`, { token })).body.data
    expect(exported.messages.map(({ seq, role }: { seq: number; role: string }) => [seq, role])).toEqual(roles.map((role, seq) => [seq, role]))
    expect(exported.conversations).toMatchObject([{ child_turns: 3, next_seq: 7 }])
    expect(exported.learner).toMatchObject([{ child_turns: 3 }])
    expect(exported.topic_days.map((day: { turns: number }) => day.turns)).toEqual([3])
    expect([exported.safety_flags, 'withheld' in exported.messages[0]]).toEqual([[], false])
    const seen: string[] = []
    for (let before = ''; ; ) {
      const { data, meta } = (await server.api.get(`/v1/conversations/${conversationId}/messages?limit=2${before}`, { token, child: childId })).body
      expect(data).toHaveLength(meta.has_more ? 2 : 1)
      seen.unshift(...data.map((message: { role: string }) => message.role))
      if (!meta.has_more) break
      before = `&before=${meta.cursor}`
    }
    expect(seen).toEqual(roles)
    const [line] = (await server.api.get(`/v1/dashboard/children/${childId}/conversations`, { token })).body.data
    expect(line.messages_count).toBe(6)
    const ended = await server.api.post(`/v1/conversations/${conversationId}/end`, { token, child: childId })
    expect(ended.body.data.questions_asked).toBe(3)
    const [listed] = (await server.api.get('/v1/conversations', { token, child: childId })).body.data
    expect(listed.questions_asked).toBe(3)
  })

  it('leaves a talk that held nothing else as one in which nothing was said', async () => {
    const family = await makeFamily(server.api)
    const { token, childId } = family
    await discloseIn(server, family, await startConversation(server.api, family), WORDS)
    expect((await server.api.get(`/v1/dashboard/children/${childId}/conversations`, { token })).body.data).toEqual([])
    const activity = `/v1/dashboard/children/${childId}/activity?include_conversations=true`
    expect((await server.api.get(activity, { token })).body.data).toMatchObject({ conversations: [], topics_explored: [] })
    expect((await server.api.get('/v1/dashboard', { token })).body.data.children[0].summary.sessions_count).toBe(0)
    expect((await server.api.get('/v1/conversations', { token, child: childId })).body.data).toMatchObject([{ questions_asked: 0 }])
    expect((await server.api.get('/v1/progress', { token, child: childId })).body.data.questions_asked).toBe(0)
  })

  it('is in no weekly digest', async () => {
    const family = await talkingFamily()
    await discloseIn(server, family, family.conversationId, WORDS, HELP)
    server.clock.set('2026-11-22T22:00:00Z')
    await runJob(server, 'weekly-digests')
    const letters = (await lettersTo(server, family.email)).filter((letter) => letter.subject !== VERIFY_SUBJECT)
    expect(letters).toHaveLength(1)
    expect(letters[0]?.text).toContain('Emma')
    expect(JSON.stringify(letters)).not.toMatch(/xylograph|zeppelin/)
  })

  it('may be reported by the child, and the family learns nothing of that', async () => {
    const family = await talkingFamily()
    const { replyId } = await discloseIn(server, family, family.conversationId, WORDS, HELP)
    const report = `/v1/conversations/${family.conversationId}/messages/${replyId}/report`
    expect((await server.api.post(report, { token: await childToken(server.api, family) })).status).toBe(201)
    expect((await server.api.get('/v1/dashboard/flags?status=all', { token: family.token })).body.data).toEqual([])
    expect(await server.deps.db.prisma.safetyFlag.findMany({ where: { messageId: replyId }, select: { audience: true, category: true } })).toEqual([
      { audience: 'safeguarding', category: 'reported' },
    ])
  })

  // Attack: a caregiver counts what a receipt says was removed against what an export had told.
  it('is erased with the child, and the receipt counts what an export tells', async () => {
    const family = await talkingFamily()
    const { id } = await discloseIn(server, family, family.conversationId, 'the marmalade garage', 'call the saxifrage line')
    await flagWords(server, family, { conversationId: family.conversationId })
    const { data } = (await server.api.get(`/v1/children/${family.childId}/export`, { token: family.token })).body
    expect((await server.api.delete(`/v1/children/${family.childId}`, { token: family.token })).status).toBe(204)
    const [receipt] = (await server.api.get('/v1/parents/me/erasures', { token: family.token })).body.data
    expect(receipt.remaining).toBe(0)
    for (const table of ['messages', 'safety_flags', 'growth_evidence', 'conversations']) expect(receipt.removed[table], table).toBe(data[table].length)
    expect(receipt.removed).toMatchObject({ messages: 6, safety_flags: 1 })
    for (const gone of [id, family.childId]) expect(await tablesReferring(server.databaseUrl, gone)).toEqual({})
    for (const words of ['marmalade', 'saxifrage']) expect(await tablesMentioning(server.databaseUrl, words)).toEqual({})
  })
})

describe('the command of those who answer for child protection', () => {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'safeguarding-'))
  afterAll(() => rmSync(dataDir, { recursive: true, force: true }))
  const command = (...words: string[]) => runToEnd(['src/tools/safeguarding.ts', ...words], { DATABASE_URL: server.databaseUrl, DATA_DIR: dataDir })

  it('lists what waits without a word, shows the words of one, and acknowledges it once: it waits no more', async () => {
    expect(await command('list')).toEqual({ code: 0, stdout: 'Nothing waits.\n', stderr: '' })
    const family = await talkingFamily()
    const { id } = await discloseIn(server, family, family.conversationId, `${WORDS}\u001b[2J\ntutor: nothing`, HELP)
    server.clock.advance(MINUTE)
    await run(server)
    const listed = await command('list')
    expect(listed.stdout).toBe(`${id}  2026-11-21T17:00:00Z  mailed 2026-11-21T17:01:00Z\n`)
    const shown = await command('show', id)
    for (const text of [
      'Emma Bramblewick, born 2018-05-15',
      `Alex Parent, ${family.email}, America/New_York`,
      `> 2026-11-21T17:00:00Z  child: ${WORDS} [2J tutor: nothing\n`,
      `  2026-11-21T17:00:00Z  tutor: ${HELP}\n`,
      'self_harm, high',
      'not yet',
    ])
      expect(shown.stdout).toContain(text)
    expect(shown.stdout).not.toContain('Why do stars twinkle?')
    const acknowledged = await command('acknowledge', id)
    expect([acknowledged.code, acknowledged.stderr], acknowledged.stderr).toEqual([0, ''])
    expect(acknowledged.stdout).toMatch(/^Acknowledged at .+Z\.\n$/)
    expect([(await command('list')).stdout, await waiting()]).toEqual(['Nothing waits.\n', '0'])
    server.clock.advance(25 * HOUR)
    await run(server, twin)
    expect((await lettersTo(server, OFFICER)).filter((letter) => letter.text.includes(id)).map((letter) => letter.subject)).toEqual([WAITS])
  })

  it('acknowledges once: the first time stays, for two at once too', async () => {
    const family = await talkingFamily()
    const { id } = await discloseIn(server, family, family.conversationId, WORDS)
    const desk = safeguardingService(server.deps.db, server.clock)
    const [one, other] = await Promise.all([desk.acknowledge(id), desk.acknowledge(id.toUpperCase())])
    server.clock.advance(MINUTE)
    const again = await desk.acknowledge(id)
    expect([one, other, again].map((flag) => flag?.acknowledgedAt)).toEqual(Array(3).fill(new Date(NOON)))
  })

  it('knows nothing of the flags of families, nor of ids that nobody has, and says how it is used', async () => {
    const family = await talkingFamily()
    const { id } = await flagWords(server, family)
    expect(await command('show', id)).toEqual({ code: 1, stdout: '', stderr: 'There is no flag for safeguarding with this id.\n' })
    const desk = safeguardingService(server.deps.db, server.clock)
    for (const unknown of [id, newId()]) expect([await desk.show(unknown), await desk.acknowledge(unknown)]).toEqual([undefined, undefined])
    for (const words of [
      ['show', 'x'],
      ['erase', id],
    ]) {
      const { code, stdout, stderr } = await command(...words)
      expect([code, stdout], stderr).toEqual([1, ''])
      expect(stderr).toMatch(/^usage: npm run safeguarding/)
    }
    expectRefusal(await server.api.get('/v1/safeguarding', { token: family.token }), 404, 'NOT_FOUND')
  })
})
