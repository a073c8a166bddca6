import { describe, expect, it } from 'vitest'
import { AGE_GROUPS } from '../../src/family/age-groups.ts'
import { sentencesOf } from '../../src/learning/content/readability.ts'
import { mapOf, topicNamed } from '../helpers/curriculum.ts'
import { MODEL, modelTalk } from '../helpers/language-tutor.ts'
import { answersAtOnce, fails, onlyPlain, replies, replyJson, sends, streams, TWO_SUNS, WAYS_ON } from '../helpers/model-server.ts'
import { tutor as builtin, listenTo, retrieval, turnIn } from '../helpers/tutor-talk.ts'

const QUESTION = 'What if a planet had two suns?'
const TWINKLE = { text: 'Why do stars twinkle?', icon: 'sparkle', passage: 'space/curious_explorers/twinkle' }

describe('a language model', () => {
  it('answers sentence by sentence, and the reply tells who spoke, by which prompt, and what it cost', async () => {
    const { ask, server, failures } = await modelTalk(replies())
    const reply = await ask(QUESTION)
    expect(reply.chunks).toEqual(sentencesOf(TWO_SUNS))
    expect(reply.signals).toMatchObject({
      model: MODEL,
      promptVersion: 'tutor.v1',
      latencyMs: 0,
      usage: { tokensIn: 900, tokensOut: 120 },
      onTopic: true,
      deepens: true,
      evidence: ['creative_thinking'],
    })
    expect(server.requests).toHaveLength(1)
    expect(failures).toEqual([])
  })

  it('is asked for a stream of JSON by a schema whose first field is what the child reads', async () => {
    const { ask, server } = await modelTalk(replies())
    await ask(QUESTION)
    const { path, headers, body } = server.requests[0] as (typeof server.requests)[0]
    expect([path, headers.authorization]).toEqual(['/v1/chat/completions', 'Bearer sk-test'])
    expect(body).toMatchObject({ model: MODEL, stream: true, stream_options: { include_usage: true }, response_format: { type: 'json_schema' } })
    const { schema, strict } = body.response_format.json_schema
    expect([strict, Object.keys(schema.properties), schema.required]).toEqual([
      true,
      ['content', 'choices', 'deepens', 'evidence'],
      ['content', 'choices', 'deepens', 'evidence'],
    ])
  })

  it('is heard before it has finished', async () => {
    let finish: () => void = () => {}
    const finished = new Promise<void>((resolve) => {
      finish = resolve
    })
    const json = replyJson()
    const begun = json.indexOf('When one sun sets') + 4
    const { tutor } = await modelTalk(
      streams(json.slice(0, begun), {
        after: async (response) => {
          await finished
          response.end(`data: ${JSON.stringify({ choices: [{ delta: { content: json.slice(begun) }, finish_reason: 'stop' }] })}\n\ndata: [DONE]\n\n`)
        },
      }),
    )
    const events = tutor.reply(turnIn(topicNamed('space'), 'curious_explorers', { question: QUESTION }), new AbortController().signal)[Symbol.asyncIterator]()
    const [first, second] = sentencesOf(TWO_SUNS)
    expect(await events.next()).toMatchObject({ done: false, value: { text: first } })
    expect(await events.next()).toMatchObject({ done: false, value: { text: second } })
    finish()
    const rest = []
    for (let event = await events.next(); !event.done; event = await events.next()) rest.push(event.value)
    expect(rest.slice(0, -1)).toMatchObject(
      sentencesOf(TWO_SUNS)
        .slice(2)
        .map((text) => ({ text })),
    )
  })

  // Characters of several bytes, escapes and surrogate pairs, cut everywhere they can be cut.
  it.each([
    { deltaLength: 1, writeBytes: 11 },
    { deltaLength: 4, writeBytes: 7 },
    { deltaLength: 3, writeBytes: 64 },
    { deltaLength: 10_000, writeBytes: 3 },
  ])('is heard letter by letter, however the wire cuts it: %j', async (telling) => {
    const content = 'Café “Étoile” 🌟 has a \\ no more, but a "quote" and a tab\there. Ça va? 小明 says: 3.5 km! 🧑‍🚀 Bye.'.replace('\\ ', '')
    const escaped = replyJson({ content }).replace('É', '\\u00c9').replace('🌟', '\\ud83c\\udf1f')
    const { ask } = await modelTalk(streams(escaped, telling))
    const reply = await ask(QUESTION)
    expect(reply.text).toBe(content.replace('\t', ' '))
    expect(reply.signals.model).toBe(MODEL)
  })

  it.each([
    ['in a fence of Markdown', streams(`\`\`\`json\n${replyJson()}\n\`\`\``, { deltaLength: 5 })],
    ['with its fields in another order', streams(JSON.stringify({ evidence: [], deepens: false, choices: WAYS_ON, content: TWO_SUNS }), { deltaLength: 3 })],
    ['with raw line ends in its strings', streams(replyJson().replace('two shadows! ', 'two shadows!\n'))],
    ['with more fields than were asked for', replies({ thoughts: { content: 'secret' }, __proto__: 1 } as object)],
    ['with its content twice', streams(replyJson().replace(/\}$/, ',"content":"Something else."}'))],
    ['all at once, by a server that does not stream', answersAtOnce(replyJson())],
    ['without telling what it cost', replies({}, { usage: null })],
    ['with a cost that makes no sense', replies({}, { usage: { prompt_tokens: -4, completion_tokens: 'many' } })],
    ['with the end of the stream missing, after all has been said', replies({}, { finish: null, usage: null })],
  ])('may answer %s', async (_how, behaviour) => {
    const { ask, failures } = await modelTalk(behaviour)
    const reply = await ask(QUESTION)
    expect(reply.text).toBe(TWO_SUNS)
    expect(reply.choices).toHaveLength(3)
    expect(reply.signals.model).toBe(MODEL)
    expect(reply.signals.usage?.tokensIn).toBeGreaterThan(100)
    expect(reply.signals.usage?.tokensOut).toBeGreaterThan(20)
    expect(failures).toEqual([])
  })

  it('says plain words: emphasis, headings and what cannot be seen are left out, numbers stay', async () => {
    const { ask } = await modelTalk(replies({ content: '## **Stars**\u200b are *really* hot\u202e. Try 3 * 4 and 2*3!\n\nWow.' }))
    expect((await ask(QUESTION)).text).toBe('Stars are really hot. Try 3 * 4 and 2*3! Wow.')
  })

  it('is kept to a length that suits the age, and says nothing twice', async () => {
    for (const [ageGroup, longest] of [
      ['wonder_cubs', 500],
      ['curious_explorers', 800],
      ['mind_masters', 1_200],
    ] as const) {
      const { ask } = await modelTalk(
        replies({ content: `${'Again and again. '.repeat(9)}${Array.from({ length: 300 }, (_, at) => `Star ${at} shines. `).join('')}` }),
        {},
        ageGroup,
      )
      const reply = await ask(QUESTION)
      expect(reply.text.length).toBeLessThanOrEqual(longest)
      expect(reply.text.length).toBeGreaterThan(longest - 50)
      expect(new Set(reply.chunks).size).toBe(reply.chunks.length)
      expect(reply.choices[0]).toMatchObject(WAYS_ON[0] as object)
    }
  })
})

describe('a server that knows no JSON schema', () => {
  const plain = streams(TWO_SUNS, { deltaLength: 4 })

  it.each([
    ['by name', fails(400, { error: { param: 'response_format' } })],
    ['without saying why', fails(422)],
    ['for want of a provider that does', fails(404)],
  ])('is asked in plain text once it has refused %s, in the same turn and from then on', async (_how, refusal) => {
    const { ask, server, failures } = await modelTalk(onlyPlain(plain, refusal))
    for (let turn = 0; turn < 3; turn += 1) {
      const reply = await ask(QUESTION)
      expect(reply.chunks).toEqual(sentencesOf(TWO_SUNS))
      expect(reply.signals).toMatchObject({ model: MODEL, deepens: undefined, evidence: [] })
      expect(reply.choices).toEqual(builtinWaysOn(QUESTION))
    }
    expect(server.requests.map(({ body }) => Boolean(body.response_format))).toEqual([true, false, false, false])
    expect(server.requests[1]?.body).not.toHaveProperty('stream_options')
    expect(server.requests[1]?.body.messages[0].content).toContain('in plain text')
    expect(failures).toEqual([])
  })

  it('and takes no notice of it is asked in plain text after it has written prose twice in a row', async () => {
    const { ask, server, failures } = await modelTalk(plain)
    expect((await ask(QUESTION)).text).toBe(TWO_SUNS)
    expect((await ask(QUESTION)).text).toBe(TWO_SUNS)
    expect(server.requests.map(({ body }) => Boolean(body.response_format))).toEqual([true, true, false, false])
    expect(failures).toEqual(['prose', 'prose'])
  })

  it('is not suspected where the refusal speaks of what was said', async () => {
    const { ask, server } = await modelTalk(fails(400, { error: { code: 'content_filter' } }))
    expect((await ask(QUESTION)).signals.model).toBe('builtin')
    expect(server.requests).toHaveLength(1)
  })

  it('is asked by schema again when plain text failed as well', async () => {
    const { ask, server } = await modelTalk([fails(400), fails(400), replies()])
    expect((await ask(QUESTION)).signals.model).toBe('builtin')
    expect((await ask(QUESTION)).signals.model).toBe(MODEL)
    expect(server.requests.map(({ body }) => Boolean(body.response_format))).toEqual([true, false, true])
  })

  it('has its whole last sentence told only when it says that it has finished', async () => {
    const { ask } = await modelTalk(streams('One star. Two stars. Three st', { finish: null, usage: null }))
    const reply = await ask(QUESTION)
    expect(reply.signals.model).toBe(MODEL)
    expect(reply.text).toBe('One star. Two stars. ')
  })
})

const builtinWaysOn = (question: string) => {
  const turn = turnIn(topicNamed('space'), 'curious_explorers', { question })
  return builtin.waysOn(turn, builtin.answer(turn))
}

describe('what a reply of a language model counts for', () => {
  it('is the passage of the choice that was tapped', async () => {
    const { tap } = await modelTalk(replies({ deepens: false, evidence: ['critical_thinking'] }))
    const reply = await tap(TWINKLE)
    expect(reply.signals).toMatchObject({ onTopic: true, deepens: false, evidence: [] })
    expect(reply.signals.passage?.key).toBe(TWINKLE.passage)
  })

  it('is the passage that surely answers a question, once', async () => {
    const { ask } = await modelTalk(replies({ deepens: false }))
    const reply = await ask('Why do stars twinkle?')
    expect([reply.signals.passage?.key, reply.signals.onTopic]).toEqual([TWINKLE.passage, true])
    const again = await ask('Why do stars twinkle?', { told: [TWINKLE.passage] })
    expect([again.signals.passage, again.signals.onTopic]).toEqual([undefined, false])
  })

  it.each([
    [true, true],
    [false, false],
    ['yes', false],
    [undefined, false],
  ])('is on topic by the word of the model (%j) where the curriculum has no answer', async (deepens, onTopic) => {
    const question = 'What would a square sun taste like?'
    const turn = turnIn(topicNamed('space'), 'curious_explorers', { question })
    expect(builtin.answer(turn)).toMatchObject({ passage: undefined, onTopic: false })
    const { ask } = await modelTalk(replies({ deepens }))
    expect((await ask(question)).signals).toMatchObject({ onTopic, passage: undefined })
  })

  it('has only evidence that we know by name, and only of own words', async () => {
    const { ask } = await modelTalk(replies({ evidence: ['genius', 'logical_reasoning', 7, 'critical_thinking', 'logical_reasoning'] }))
    expect((await ask(QUESTION)).signals.evidence).toEqual(['critical_thinking', 'logical_reasoning'])
  })
})

describe('what no model is asked', () => {
  it('nothing', async () => {
    const { ask, server } = await modelTalk(replies())
    expect((await ask('?!')).signals.model).toBe('builtin')
    expect(server.requests).toEqual([])
  })

  // Attack: a child asks a model for what its parent has closed.
  it('what a parent has closed', async () => {
    for (const ageGroup of AGE_GROUPS) {
      const question = 'What is a black hole?'
      const map = mapOf({ restricted: ['black-holes', 'space', 'physics', 'light'] })
      expect(retrieval.search(question, ageGroup, topicNamed('animals'), () => true).isSure).toBe(true)
      const { tutor, server } = await modelTalk(replies())
      const reply = await listenTo(tutor, turnIn(topicNamed('animals'), ageGroup, { question }, { map }))
      expect(reply.signals.model).toBe('builtin')
      expect(reply.signals.passage && map.restricted.has(reply.signals.passage.topic.id)).not.toBe(true)
      expect(server.requests).toEqual([])
    }
  })
})

describe('tokens', () => {
  it('of a child: the builtin tutor answers when the day has no room for another reply', async () => {
    const { ask, server } = await modelTalk(replies(), { tokensPerChildDay: 10_000 })
    expect((await ask(QUESTION, { tokensUsedToday: 5_000 })).signals.model).toBe(MODEL)
    expect((await ask(QUESTION, { tokensUsedToday: 9_000 })).signals.model).toBe('builtin')
    expect((await ask(QUESTION, { tokensUsedToday: 20_000 })).signals).not.toHaveProperty('usage')
    expect(server.requests).toHaveLength(1)
  })

  it('of all children of an instance, by what the provider counts, until the UTC day is over', async () => {
    const { ask, clock, server } = await modelTalk(replies({}, { usage: { prompt_tokens: 6_000, completion_tokens: 1_000 } }), { tokensPerDay: 10_000 })
    expect((await ask(QUESTION)).signals.model).toBe(MODEL)
    expect((await ask(QUESTION)).signals.model).toBe(MODEL)
    expect((await ask(QUESTION)).signals.model).toBe('builtin')
    clock.set('2026-11-21T23:59:59Z')
    expect((await ask(QUESTION)).signals.model).toBe('builtin')
    clock.set('2026-11-22T00:00:00Z')
    expect((await ask(QUESTION)).signals.model).toBe(MODEL)
    expect(server.requests).toHaveLength(3)
  })

  it('are set aside while a reply is under way, so that many at once do not go over', async () => {
    const { ask, server } = await modelTalk(replies(), { tokensPerDay: 5_000 })
    const replied = await Promise.all(Array.from({ length: 8 }, () => ask(QUESTION)))
    const spoken = replied.filter(({ signals }) => signals.model === MODEL)
    expect(spoken.length).toBeGreaterThan(0)
    expect(spoken.length).toBeLessThan(5)
    expect(server.requests).toHaveLength(spoken.length)
  })

  it('are counted where a model that failed has used some and the builtin tutor spoke', async () => {
    const { ask } = await modelTalk(
      sends(
        JSON.stringify({ choices: [{ delta: { content: '{"content": 4}' }, finish_reason: 'stop' }], usage: { prompt_tokens: 800, completion_tokens: 9 } }),
        '[DONE]',
      ),
    )
    expect((await ask(QUESTION)).signals).toMatchObject({ model: 'builtin', usage: { tokensIn: 800, tokensOut: 9 } })
  })
})
