import { inspect } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import type { Category } from '../../src/safety/moderation/moderation.ts'
import type { ProviderOptions } from '../../src/safety/moderation/provider.ts'
import { testClock } from '../helpers/clock.ts'
import { moderatorAt } from '../helpers/guarded-tutor.ts'
import {
  type Behaviour,
  cuts,
  ends,
  fails,
  finds,
  gives,
  hangs,
  hangsWithin,
  type ModelServer,
  startModelServer,
  type TheirCategory,
} from '../helpers/model-server.ts'

const SAID = 'the flumph is under my bed'
const open: ModelServer[] = []
afterEach(async () => {
  for (const server of open.splice(0)) await server.close()
})

/** A moderator of its own, with a fresh circuit, and a provider of its own that behaves as told. */
async function moderation(behaviours: Behaviour | readonly Behaviour[], options: Partial<ProviderOptions> = {}) {
  const server = await startModelServer()
  open.push(server)
  server.moderation.behave(...[behaviours].flat())
  const clock = testClock()
  const { provider, unjudged } = moderatorAt(server.baseUrl, clock, options)
  const judge = (signal = new AbortController().signal) => provider(SAID, signal)
  return { server, clock, unjudged, judge, asked: server.moderation.requests }
}

const result = (flagged: unknown, categories: unknown) => gives(JSON.stringify({ id: 'modr-1', model: 'm', results: [{ flagged, categories }] }))

describe('moderation by a provider', () => {
  it('asks for a judgement of one text', async () => {
    const { judge, asked } = await moderation(finds())
    expect(await judge()).toEqual([])
    const [request] = asked
    expect([request?.path, request?.headers.authorization]).toEqual(['/v1/moderations', 'Bearer sk-test'])
    expect(request?.body).toEqual({ model: 'scripted-moderation', input: SAID })
  })

  it.each<[TheirCategory[], Category[]]>([
    [['self-harm'], ['distress']],
    [['self-harm/intent'], ['distress']],
    [['self-harm/instructions'], ['distress']],
    [['sexual'], ['sexual']],
    [
      ['sexual', 'sexual/minors'],
      ['distress', 'sexual'],
    ],
    [['violence'], ['violence']],
    [['violence/graphic'], ['violence']],
    [['illicit'], ['violence']],
    [['illicit/violent'], ['violence']],
    [['hate'], ['hate']],
    [['hate/threatening'], ['hate']],
    [['harassment'], ['bullying']],
    [['harassment/threatening'], ['bullying']],
    [
      ['harassment', 'hate', 'violence', 'self-harm'],
      ['distress', 'violence', 'hate', 'bullying'],
    ],
  ])('takes %j for %j', async (theirs, ours) => {
    expect(await (await moderation(finds(...theirs))).judge()).toEqual(ours)
  })

  it.each<[string, Behaviour, Category[]]>([
    ['names with underscores', result(true, { self_harm: true, hate: false }), ['distress']],
    ['subcategories with underscores', result(true, { self_harm_intent: true, sexual_minors: null }), ['distress']],
    ['a category that we do not know', result(true, { gambling: true }), ['violence']],
    ['a flag without a category', result(true, {}), ['violence']],
    ['a category without a flag', result(false, { hate: true }), ['hate']],
    ['a word that only begins like a category', result(true, { sexuality: true }), ['violence']],
    [
      'several results',
      gives(
        JSON.stringify({
          results: [
            { flagged: false, categories: {} },
            { flagged: true, categories: { hate: true } },
          ],
        }),
      ),
      ['hate'],
    ],
  ])('understands %s', async (_what, behaviour, ours) => {
    expect(await (await moderation(behaviour)).judge()).toEqual(ours)
  })
})

describe('a provider that gives no judgement', () => {
  // Attack: what is not judged is taken for harmless. And: an error in a log quotes what a child said.
  it.each<[string, Behaviour, string]>([
    ['refuses the key', fails(401, { error: { message: SAID } }), 'status 401'],
    ['knows no moderation', fails(404), 'status 404'],
    ['has too many requests, and asks for an hour', fails(429, { headers: { 'retry-after': '3600' } }), 'status 429'],
    ['fails', fails(500, { error: { message: SAID } }), 'status 500'],
    ['is away, and asks for an hour', fails(503, { headers: { 'retry-after': '3600', 'retry-after-ms': '3600000' } }), 'status 503'],
    ['hangs', hangs, 'timeout'],
    ['hangs within its answer', hangsWithin('{"results": [', 'application/json'), 'timeout'],
    ['cuts the wire', cuts, 'connection'],
    ['ends before it has begun', ends, 'garbage'],
    ['answers with a page', gives('<html>Bad gateway</html>', 'text/html'), 'garbage'],
    ['answers with JSON that is none', gives('{"results": ['), 'garbage'],
    ['answers with nothing', gives(''), 'garbage'],
    ['answers with null', gives('null'), 'garbage'],
    ['answers with no results', gives('{"results": []}'), 'garbage'],
    ['answers with an error', gives('{"error": {"message": "no"}}'), 'garbage'],
    ['answers without a flag', result(undefined, { hate: false }), 'garbage'],
    ['answers with a flag that is a word', result('false', { hate: false }), 'garbage'],
    ['answers without categories', result(false, undefined), 'garbage'],
    ['answers with scores for categories', result(false, { hate: 0.2 }), 'garbage'],
    ['answers without an end', gives(`{"results": [{"flagged": false, "categories": {"${'x'.repeat(100_000)}": false}}]}`), 'garbage'],
  ])('that %s throws an error without the text, and tells of it once', async (_what, behaviour, failure) => {
    const { judge, unjudged } = await moderation(behaviour, { longestMs: 2_000 })
    const error = await judge().catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(Error)
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('flumph')
    expect(unjudged).toEqual([failure])
  })

  it.each<[string, Behaviour]>([
    ['fails', fails(502)],
    ['cuts the wire', cuts],
  ])('that %s is asked once more', async (_what, behaviour) => {
    const { judge, asked, unjudged } = await moderation([behaviour, finds('hate')])
    expect(await judge()).toEqual(['hate'])
    expect([asked.length, unjudged]).toEqual([2, []])
  })

  it.each([401, 404, 429])('and says %i is not asked again', async (status) => {
    const { judge, asked } = await moderation([fails(status), finds()])
    await expect(judge()).rejects.toThrow()
    expect(asked).toHaveLength(1)
  })

  it('and asks for time is left alone also when it answers meanwhile what it was asked before', async () => {
    let answer = () => {}
    const gate = new Promise<void>((resolve) => {
      answer = resolve
    })
    const late: Behaviour = async (response, request) => {
      await gate
      return finds()(response, request)
    }
    const { judge, asked, clock, server } = await moderation([late, fails(429, { headers: { 'retry-after': '120' } }), finds()])
    const first = judge()
    await server.moderation.asked(1)
    await expect(judge()).rejects.toThrow('429')
    answer()
    expect(await first).toEqual([])
    clock.advance(119_000)
    await expect(judge()).rejects.toThrow('resting')
    clock.advance(1_000)
    expect(await judge()).toEqual([])
    expect(asked).toHaveLength(3)
  })

  it.each([
    ['seconds', fails(429, { headers: { 'retry-after': '120' } })],
    ['a date', fails(503, { headers: { 'retry-after': 'Sat, 21 Nov 2026 17:02:00 GMT' } })],
  ])('and asks for time in %s is left alone until then, by every text', async (_how, busy) => {
    const { judge, asked, clock } = await moderation([busy, finds('hate')])
    await expect(judge()).rejects.toThrow('status')
    clock.advance(119_000)
    await expect(judge()).rejects.toThrow('resting')
    expect(asked).toHaveLength(1)
    clock.advance(1_000)
    expect(await judge()).toEqual(['hate'])
  })

  it('five times in a row is left alone for a while, then tried by one text at a time', async () => {
    const { judge, asked, clock, server } = await moderation(fails(401), { restMs: 30_000 })
    const fail = () => expect(judge()).rejects.toThrow('the provider gave no judgement')
    for (let times = 0; times < 7; times += 1) await fail()
    expect(asked).toHaveLength(5)
    clock.advance(30_000)
    await Promise.all([fail(), fail(), fail()])
    expect(asked).toHaveLength(6)
    clock.advance(30_000)
    server.moderation.behave(finds('hate'))
    expect(await judge()).toEqual(['hate'])
    expect(await Promise.all([judge(), judge()])).toEqual([['hate'], ['hate']])
  })
})

describe('a judgement that nobody waits for', () => {
  const reason = new Error('the turn took too long')

  it.each<[string, Behaviour]>([
    ['before it has begun', hangs],
    ['within', hangsWithin('{"results": [', 'application/json')],
  ])('%s is aborted at the provider, and is no failure of its', async (_when, behaviour) => {
    const { judge, asked, server, unjudged } = await moderation(behaviour)
    const abort = new AbortController()
    const judged = judge(abort.signal)
    await server.moderation.asked(1)
    abort.abort(reason)
    await expect(judged).rejects.toBe(reason)
    expect(await asked[0]?.hungUp).toBe(true)
    expect([asked.length, unjudged]).toEqual([1, []])
  })

  it('is not asked for', async () => {
    const { judge, asked } = await moderation(finds())
    await expect(judge(AbortSignal.abort(reason))).rejects.toBe(reason)
    expect(asked).toEqual([])
  })
})
