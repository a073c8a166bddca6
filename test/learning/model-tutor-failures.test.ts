import { describe, expect, it } from 'vitest'
import { sentencesOf } from '../../src/learning/content/readability.ts'
import { tokensOf } from '../../src/learning/tutor/language-model/attempt.ts'
import { topicNamed } from '../helpers/curriculum.ts'
import { MODEL, type ModelTalk, modelTalk } from '../helpers/language-tutor.ts'
import { answersAtOnce, type Behaviour, cuts, ends, fails, hangs, refuses, replies, replyJson, sends, streams, TWO_SUNS } from '../helpers/model-server.ts'
import { tutor as builtin, listenTo, type Reply, turnIn } from '../helpers/tutor-talk.ts'

const QUESTION = 'What if a planet had two suns?'
const SENTENCES = sentencesOf(TWO_SUNS)
const JSON_REPLY = replyJson()
/** Within the third sentence. */
const BEGUN = JSON_REPLY.slice(0, JSON_REPLY.indexOf('the other may'))
/** Within the first. */
const NOT_BEGUN = JSON_REPLY.slice(0, JSON_REPLY.indexOf('with two'))
/** Waits for nothing in earnest; a provider that is silent is given up soon. */
const HASTY = { firstPieceMs: 1_500, betweenPiecesMs: 1_500, lastPieceMs: 800 }
const turn = turnIn(topicNamed('space'), 'curious_explorers', { question: QUESTION })
/** What is set aside for a reply besides its request. */
const USUAL_TOKENS_OUT = 400

async function expectBuiltin(reply: Reply): Promise<void> {
  const alone = await listenTo(builtin, turn)
  expect(reply.chunks).toEqual(alone.chunks)
  expect(reply.choices).toEqual(alone.choices)
  expect(reply.signals).toMatchObject(alone.signals.passage ? { model: 'builtin', onTopic: alone.signals.onTopic } : { model: 'builtin' })
  expect(reply.signals.passage).toBe(alone.signals.passage)
  expect(reply.signals).not.toHaveProperty('promptVersion')
}

describe('before the first sentence', () => {
  it.each<[string, Behaviour, string]>([
    ['refuses the key', fails(401), 'status 401'],
    ['forbids', fails(403), 'status 403'],
    ['says that it refuses', refuses('I cannot talk about my secret.'), 'refusal'],
    ['filters what it says', streams('', { finish: 'content_filter' }), 'filtered'],
    ['comes to its limit', streams('{"content": "A very', { finish: 'length' }), 'length'],
    ['gives JSON of another kind', streams('{"answer": "Stars are hot. They shine."}'), 'garbage'],
    ['gives content that is no text', replies({ content: { text: 'Stars are hot. They shine.' } }), 'garbage'],
    ['gives content of no words', replies({ content: ' \n🌟 ... ' }), 'garbage'],
    ['gives empty content', replies({ content: '' }), 'garbage'],
    ['gives JSON that is none', streams('{"content": Stars are hot. They shine.}'), 'garbage'],
    ['gives markup', replies({ content: '<script>alert("Hi")</script> Stars are hot. They shine.' }), 'garbage'],
    ['gives code', replies({ content: 'function () { return 1 } Stars are hot.' }), 'garbage'],
    ['gives a link', replies({ content: 'Look at https://example.com now. They shine.' }), 'garbage'],
    ['gives events that are no JSON', sends('Stars are hot. They shine.'), 'garbage'],
    ['gives events of another shape', sends('{"choices": "Stars are hot."}', '[1, 2]', 'null'), 'garbage'],
    ['answers at once, with something else', answersAtOnce('{"content": []}'), 'garbage'],
  ])('a model that %s is not asked again: the builtin tutor answers in the same turn', async (_what, behaviour, failure) => {
    const { ask, server, failures } = await modelTalk(behaviour)
    await expectBuiltin(await ask(QUESTION))
    expect(server.requests).toHaveLength(1)
    expect(failures).toEqual([failure])
  })

  it.each<[string, Behaviour, string]>([
    ['fails', fails(500), 'status 500'],
    ['is overloaded', fails(503), 'status 503'],
    ['has too many requests', fails(429), 'status 429'],
    ['hangs before its headers', hangs, 'timeout'],
    ['hangs before its first piece', streams('', { after: hangs }), 'timeout'],
    ['hangs within its first sentence', streams(NOT_BEGUN, { after: hangs }), 'timeout'],
    ['cuts the wire before its headers', cuts, 'connection'],
    ['cuts the wire within its first sentence', streams(NOT_BEGUN, { after: cuts }), 'cut'],
    ['ends the stream within its first sentence', streams(NOT_BEGUN, { after: ends }), 'cut'],
    ['ends the stream before it has begun', ends, 'cut'],
    ['tells of an error in its stream', sends('{"error": {"message": "my secret broke", "code": "server_error"}}'), 'cut'],
    ['writes markup where JSON was asked for', streams('<html>Bad gateway</html>'), 'prose'],
  ])('a model that %s is asked again, and answers', async (_what, behaviour, failure) => {
    const { ask, server, failures, waits } = await modelTalk([behaviour, replies()], HASTY)
    const reply = await ask(QUESTION)
    expect([reply.text, reply.signals.model]).toEqual([TWO_SUNS, MODEL])
    expect(server.requests).toHaveLength(2)
    expect(failures).toEqual([failure])
    expect(waits).toHaveLength(1)
  })

  it('a model that cannot be reached is asked three times, with growing pauses, then the builtin tutor answers', async () => {
    const { ask, server, failures, waits } = await modelTalk(hangs, { retryDelayMs: 400 })
    await server.close()
    await expectBuiltin(await ask(QUESTION))
    expect(failures).toEqual(['connection', 'connection', 'connection'])
    expect(waits).toEqual([200, 400])
  })

  it('pauses are spread by chance between half and all of their length', async () => {
    const { ask, waits } = await modelTalk(fails(500), { retryDelayMs: 400, random: () => 0.999 })
    await ask(QUESTION)
    expect(waits.map(Math.round)).toEqual([400, 800])
  })

  it('a child is not kept waiting by many attempts: after a while the builtin tutor answers', async () => {
    const { ask, server, failures } = await modelTalk(hangs, { firstSentenceMs: 400 })
    await expectBuiltin(await ask(QUESTION))
    expect(server.requests).toHaveLength(1)
    expect(failures).toEqual(['timeout'])
    expect(await server.requests[0]?.hungUp).toBe(true)
  })

  it('a model that drips comments and empty pieces for ever is given up as well', async () => {
    const drip: Behaviour = (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const timer = setInterval(() => response.write(`: still here\n\ndata: ${JSON.stringify({ choices: [{ delta: { content: '' } }] })}\n\n`), 5)
      response.once('close', () => clearInterval(timer))
    }
    const { ask, server } = await modelTalk(drip, { firstSentenceMs: 400 })
    await expectBuiltin(await ask(QUESTION))
    expect(await server.requests[0]?.hungUp).toBe(true)
  })

  it('a flood is read no further than a mebibyte', async () => {
    const flood: Behaviour = async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      while (!response.destroyed) await new Promise((resolve) => response.write('x'.repeat(65_536), resolve)).catch(() => {})
    }
    const { ask, server, failures } = await modelTalk(flood)
    await expectBuiltin(await ask(QUESTION))
    expect(await server.requests[0]?.hungUp).toBe(true)
    expect(failures).toEqual(['garbage'])
  })

  it('garbage in JSON and out of it, for ever, is never said', async () => {
    const { ask } = await modelTalk([streams('][}{'), streams('%%% {{{ not words }}}'), streams('<?xml version="1.0"?>')])
    for (let times = 0; times < 4; times += 1) await expectBuiltin(await ask(QUESTION))
  })
})

describe('after the first sentence', () => {
  const markup = JSON_REPLY.replace('the other may still shine', 'see <b>this</b>')
  it.each<[string, Behaviour, string, number]>([
    ['hangs', streams(BEGUN, { after: hangs }), 'timeout', 2],
    ['cuts the wire', streams(BEGUN, { after: cuts }), 'cut', 2],
    ['ends the stream', streams(BEGUN, { after: ends }), 'cut', 2],
    ['comes to its limit', streams(BEGUN, { finish: 'length' }), 'length', 2],
    ['filters what it says', streams(BEGUN, { finish: 'content_filter' }), 'filtered', 2],
    ['breaks its JSON', streams(`${BEGUN}\\x bad"}`, { deltaLength: 9 }), 'garbage', 2],
    ['comes to markup', streams(markup, { deltaLength: 9 }), 'garbage', 2],
    ['cuts the wire after a whole sentence', streams(JSON_REPLY.slice(0, JSON_REPLY.indexOf(' What would night')), { after: cuts }), 'cut', 3],
  ])('a model that %s is left at its last whole sentence, with the choices of the curriculum', async (_what, behaviour, failure, said) => {
    const { ask, server, failures } = await modelTalk([behaviour, replies({ content: 'Never heard. Not at all.' })], HASTY)
    const reply = await ask(QUESTION)
    expect(reply.chunks.map((chunk) => chunk.trim())).toEqual(SENTENCES.slice(0, said).map((sentence) => sentence.trim()))
    expect(reply.choices).toEqual((await listenTo(builtin, turn)).choices)
    expect(reply.signals).toMatchObject({ model: MODEL, promptVersion: 'tutor.v1' })
    expect(reply.signals.usage?.tokensIn).toBeGreaterThan(0)
    expect(server.requests).toHaveLength(1)
    expect(failures).toEqual([failure])
  })

  it('a model that hangs when the content is whole keeps its last sentence, end mark or not', async () => {
    const open = replyJson({ content: 'Stars are hot. What about planets' })
    const { ask } = await modelTalk(streams(open.slice(0, open.indexOf('"choices"')), { after: hangs }), HASTY)
    expect((await ask(QUESTION)).chunks).toEqual(['Stars are hot. ', 'What about planets'])
  })

  it('a model that hangs when all has been said is not at fault', async () => {
    const { ask, failures } = await modelTalk(streams(JSON_REPLY, { after: hangs }), HASTY)
    const reply = await ask(QUESTION)
    expect(reply.text).toBe(TWO_SUNS)
    expect(reply.choices[0]?.text).toBe('What are stars?')
    expect(failures).toEqual([])
  })

  it('a model that takes too long over all is left at its last whole sentence', async () => {
    const { ask, failures } = await modelTalk(streams(BEGUN, { after: hangs }), { wholeReplyMs: 600 })
    expect((await ask(QUESTION)).chunks).toEqual(SENTENCES.slice(0, 2))
    expect(failures).toEqual(['timeout'])
  })
})

describe('a provider that asks for time', () => {
  const busy = (after: string) => fails(429, { headers: { 'retry-after': after } })

  it('gets it, when it is short, and is asked again in the same turn', async () => {
    const { ask, waits } = await modelTalk([busy('2'), replies()], { retryDelayMs: 400 })
    expect((await ask(QUESTION)).signals.model).toBe(MODEL)
    expect(waits).toEqual([2_200])
  })

  it.each([
    ['seconds', '120'],
    ['a date', 'Sat, 21 Nov 2026 17:02:00 GMT'],
  ])('in %s, when it is long, is left alone until then by every turn; the builtin tutor answers', async (_how, after) => {
    const { ask, server, clock, waits } = await modelTalk([busy(after), replies()])
    await expectBuiltin(await ask(QUESTION))
    clock.advance(119_000)
    await expectBuiltin(await ask(QUESTION))
    expect([server.requests.length, waits]).toEqual([1, []])
    clock.advance(1_000)
    expect((await ask(QUESTION)).signals.model).toBe(MODEL)
  })

  it('for a day gets ten minutes', async () => {
    const { ask, clock } = await modelTalk([busy('86400'), replies()])
    await ask(QUESTION)
    clock.advance(600_000)
    expect((await ask(QUESTION)).signals.model).toBe(MODEL)
  })

  it.each(['soon', '-5', 'Sat, 21 Nov 2020 17:02:00 GMT', ''])('in words that make no sense (%j) is asked again as usual', async (after) => {
    const { ask, waits } = await modelTalk([busy(after), replies()], { retryDelayMs: 400 })
    expect((await ask(QUESTION)).signals.model).toBe(MODEL)
    expect(waits).toEqual([200])
  })
})

describe('a model that keeps failing', () => {
  const failOnce = async ({ ask }: ModelTalk) => expectBuiltin(await ask(QUESTION))

  it('is left alone after five failures in a row, and tried by one turn at a time after a rest', async () => {
    const talk = await modelTalk(fails(500), { restMs: 30_000 })
    const { ask, server, clock } = talk
    await failOnce(talk)
    await failOnce(talk)
    expect(server.requests).toHaveLength(5)
    await failOnce(talk)
    expect(server.requests).toHaveLength(5)

    clock.advance(30_000)
    await Promise.all([failOnce(talk), failOnce(talk), failOnce(talk)])
    expect(server.requests).toHaveLength(6)

    clock.advance(30_000)
    server.behave(replies())
    expect((await ask(QUESTION)).signals.model).toBe(MODEL)
    const replied = await Promise.all([ask(QUESTION), ask(QUESTION)])
    expect(replied.map(({ signals }) => signals.model)).toEqual([MODEL, MODEL])
  })

  it('is one that thinks until its limit and says nothing', async () => {
    const { ask, server } = await modelTalk(streams('', { finish: 'length' }))
    for (let times = 0; times < 7; times += 1) await ask(QUESTION)
    expect(server.requests).toHaveLength(5)
  })

  it('is not one that refuses, nor one that talks too long, nor one that works in between', async () => {
    const { ask, server, clock } = await modelTalk(refuses('No.'))
    for (let times = 0; times < 7; times += 1) await ask(QUESTION)
    server.behave(streams(BEGUN, { finish: 'length' }))
    for (let times = 0; times < 7; times += 1) expect((await ask(QUESTION)).signals.model).toBe(MODEL)
    for (let times = 0; times < 4; times += 1) {
      server.behave(fails(500), fails(500), replies())
      clock.advance(1)
      expect((await ask(QUESTION)).signals.model).toBe(MODEL)
    }
    expect(server.requests).toHaveLength(7 + 7 + 12)
  })
})

describe('a turn that is abandoned', () => {
  const reason = new Error('the turn took too long')

  it.each<[string, Behaviour]>([
    ['before the headers', hangs],
    ['before the first sentence', streams(NOT_BEGUN, { after: hangs })],
  ])('%s aborts the request, and nobody answers', async (_when, behaviour) => {
    const { tutor, server, failures } = await modelTalk(behaviour)
    const abort = new AbortController()
    const reply = listenTo(tutor, turn, abort.signal)
    await server.asked(1)
    abort.abort(reason)
    await expect(reply).rejects.toBe(reason)
    expect(await server.requests[0]?.hungUp).toBe(true)
    expect([server.requests.length, failures]).toEqual([1, []])
  })

  it('within the reply aborts the request', async () => {
    const { tutor, server } = await modelTalk(streams(BEGUN, { after: hangs }))
    const abort = new AbortController()
    const events = tutor.reply(turn, abort.signal)[Symbol.asyncIterator]()
    expect((await events.next()).value).toMatchObject({ text: SENTENCES[0] })
    expect((await events.next()).value).toMatchObject({ text: SENTENCES[1] })
    const third = events.next()
    abort.abort(reason)
    await expect(third).rejects.toBe(reason)
    expect(await server.requests[0]?.hungUp).toBe(true)
  })

  it('in a pause between attempts makes no further one', async () => {
    const abort = new AbortController()
    const wait = async () => abort.abort(reason)
    const { tutor, server } = await modelTalk(fails(500), { wait })
    await expect(listenTo(tutor, turn, abort.signal)).rejects.toBe(reason)
    expect(server.requests).toHaveLength(1)
  })

  it('before it began asks nobody', async () => {
    const { tutor, server } = await modelTalk(replies())
    await expect(listenTo(tutor, turn, AbortSignal.abort(reason))).rejects.toBe(reason)
    expect(server.requests).toEqual([])
  })

  it('by a listener that stops listening aborts the request', async () => {
    const { tutor, server } = await modelTalk(streams(BEGUN, { after: hangs }))
    for await (const event of tutor.reply(turn, new AbortController().signal)) {
      expect(event).toMatchObject({ text: SENTENCES[0] })
      break
    }
    expect(await server.requests[0]?.hungUp).toBe(true)
  })

  it('gives back the tokens that were set aside for it, but for its request, which the provider may have read', async () => {
    const measured = await modelTalk(replies())
    await measured.ask(QUESTION)
    const request = tokensOf(measured.server.requests[0]?.body.messages)
    const { tutor, server, ask } = await modelTalk(hangs, { tokensPerDay: 6 * request + 2 * USUAL_TOKENS_OUT })
    for (let times = 1; times <= 5; times += 1) {
      const abort = new AbortController()
      const reply = listenTo(tutor, turn, abort.signal)
      await server.asked(times)
      abort.abort(reason)
      await expect(reply).rejects.toBe(reason)
    }
    server.behave(replies())
    expect((await ask(QUESTION)).signals.model).toBe(MODEL)
  })
})
