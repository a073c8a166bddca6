import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { type ContentRules, crossingFaults, sparkFaults, topicFaults } from '../../src/learning/content/content-faults.ts'
import { IconFile, SparkFile, TopicFile, TopicMap } from '../../src/learning/content/curriculum.schema.ts'
import { type ContentFault, checkShape, readSource } from '../../src/learning/content/source-file.ts'
import { childrensVocabulary } from '../../src/learning/content/vocabulary.ts'

const contentFile = (name: string): string => readFileSync(new URL(`../../src/learning/content/${name}`, import.meta.url), 'utf8')

const FILE = 'topics/music.yaml'
const MUSIC = contentFile(FILE)
const MAP = checkShape(readSource('map.yaml', contentFile('map.yaml')), TopicMap).value as TopicMap
const ICONS = checkShape(readSource('icons.yaml', contentFile('icons.yaml')), IconFile).value as Record<string, string>
const RULES: ContentRules = { map: MAP, icons: new Set(Object.keys(ICONS)), vocabulary: childrensVocabulary() }

/** Every fault the check finds in a version of Music. */
function faultsOf(text: string, slug = 'music'): ContentFault[] {
  const source = readSource(FILE, text)
  const { value, faults } = checkShape(source, TopicFile)
  return value ? [...faults, ...topicFaults(source, value, RULES, slug)] : faults
}

/** Music with the first occurrence of some words replaced, and the line on which that happened. */
function musicWith(before: string, after: string): { text: string; line: number } {
  const position = MUSIC.indexOf(before)
  expect(position, `"${before}" stands in ${FILE}`).toBeGreaterThan(-1)
  return { text: MUSIC.slice(0, position) + after + MUSIC.slice(position + before.length), line: MUSIC.slice(0, position).split('\n').length }
}

describe('the content check', () => {
  it('passes the content as it is and tells of every topic', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', 'src/tools/content-check.ts'])
    expect(stdout).toMatch(/\nno faults\n$/)
    for (const { slug } of MAP.topics) expect(stdout).toContain(`\n${slug} `)
  }, 60_000)

  it('finds nothing in Music', () => {
    expect(faultsOf(MUSIC)).toEqual([])
  })

  it('reports a YAML error with its line, without throwing', () => {
    const { text, line } = musicWith('leads_to: [wobble-1, instruments-1, beat-1]', 'leads_to: [wobble-1, instruments-1, beat-1]]')
    const [fault] = faultsOf(text)
    expect(fault).toMatchObject({ file: FILE, line })
    expect(readSource(FILE, text).value).toBeUndefined()
  })

  it.each([
    ['a depth beyond 10', 'depth: 1\n', 'depth: 11\n', /depth: /],
    ['an unknown kind', 'kind: path', 'kind: maze', /kind: /],
    ['a choice too long to read', 'ask: "What is sound?"', `ask: "What is ${'sound '.repeat(11)}?"`, /ask: /],
    ['an icon that is no name', 'icon: drum', 'icon: "Drum!"', /icon: /],
  ])('reports %s where it stands', (_what, before, after, message) => {
    const { text, line } = musicWith(before, after)
    expect(faultsOf(text)).toEqual([{ file: FILE, line, message: expect.stringMatching(message) }])
  })

  it('reports an unknown field at its passage', () => {
    const { text } = musicWith('kind: path', 'kind: path\n        colour: red')
    const passage = MUSIC.slice(0, MUSIC.indexOf('id: wobble-1')).split('\n').length
    expect(faultsOf(text)).toEqual([{ file: FILE, line: passage, message: expect.stringContaining('colour') }])
  })

  it.each([
    ['a subtopic that is not on the map', 'subtopic: sound', 'subtopic: silence', 'wobble-1: unknown subtopic "silence"'],
    [
      'an icon that no client draws',
      MUSIC.slice(MUSIC.indexOf('icon: '), MUSIC.indexOf('\n', MUSIC.indexOf('icon: '))),
      'icon: wave_of_nothing',
      'wobble-1: icon "wave_of_nothing" is not in icons.yaml',
    ],
    [
      'an opening that leads nowhere',
      'leads_to: [wobble-1, instruments-1, beat-1]',
      'leads_to: [wobble-1, instruments-1, nowhere]',
      '"nowhere", which does not exist',
    ],
    [
      'an opening that jumps ahead',
      'leads_to: [wobble-1, instruments-1, beat-1]',
      'leads_to: [wobble-1, instruments-1, high-low-2]',
      '"high-low-2", which is not of depth 1',
    ],
    ['a choice that leads nowhere', 'leads_to: [high-low-2, instruments-1,', 'leads_to: [nowhere, instruments-1,', 'leads to "nowhere", which does not exist'],
    ['a choice offered twice', 'leads_to: [high-low-2, instruments-1,', 'leads_to: [high-low-2, high-low-2,', 'a choice stands twice'],
    ['a passage that leads to itself', 'leads_to: [high-low-2, instruments-1,', 'leads_to: [wobble-1, instruments-1,', 'cannot lead to itself'],
    ['two passages asked for alike', 'ask: "How do drums and guitars make sounds?"', 'ask: "what is SOUND?"', 'is asked by "wobble-1" too'],
    ['a greeting without a name', 'Hi {name}! Listen', 'Hi there! Listen', 'greets without {name}'],
    [
      'a choice that leads off the map',
      'leads_to: [high-low-2, instruments-1,',
      'leads_to: [atlantis/gates, instruments-1,',
      '"atlantis/gates", whose topic is not connected',
    ],
    [
      'a choice that leads into a topic far away',
      'leads_to: [high-low-2, instruments-1,',
      'leads_to: [bugs/ants, instruments-1,',
      '"bugs/ants", whose topic is not connected',
    ],
    [
      'a dead end',
      'leads_to: [high-low-2, instruments-1, loud, beat-1]',
      'leads_to: [physics/a, physics/b, instruments-1]',
      'leads to fewer than two passages of the topic',
    ],
    [
      'a passage from which nothing goes deeper',
      'leads_to: [high-low-2, instruments-1, loud, beat-1]',
      'leads_to: [instruments-1, beat-1, physics/a]',
      'leads nowhere deeper',
    ],
    [
      'a passage from which nothing goes sideways',
      'leads_to: [high-low-2, instruments-1, loud, beat-1]',
      'leads_to: [high-low-2, loud, physics/a]',
      'leads to no other subtopic',
    ],
    ['a keyword nobody knows', 'keywords: [sound,', 'keywords: [sounnd,', 'keyword "sounnd" is no English word'],
  ])('reports %s where it stands', (_what, before, after, message) => {
    const { text, line } = musicWith(before, after)
    expect(faultsOf(text)).toContainEqual({ file: FILE, line, message: expect.stringContaining(message) })
  })

  it('reports a passage with fewer than four questions', () => {
    const before = MUSIC.slice(MUSIC.indexOf('questions: ['), MUSIC.indexOf(']', MUSIC.indexOf('questions: [')) + 1)
    const { text, line } = musicWith(before, 'questions: ["what makes sound", "how do i hear", "what is noise"]')
    expect(faultsOf(text)).toContainEqual({ file: FILE, line, message: 'wobble-1: 3 questions, at least 4' })
  })

  it.each([
    [
      'a sentence too long',
      'Sound is a wobble!',
      'Sound is a wobble that goes on and on through the air until it tickles your ears!',
      'a sentence of 17 words, at most 12',
    ],
    [
      'a sentence said before',
      'Each time, something shakes, and out comes the sound!',
      'Something in there shakes very fast.',
      'repeats a sentence of "wobble-1"',
    ],
    ['a word that is new and not explained', 'Something in there shakes very fast.', 'Your larynx shakes very fast.', 'not in new_words: larynx'],
    [
      'too many new words for the youngest',
      'Something in there shakes very fast. The shake moves through the air to your ears.',
      'Your larynx makes acoustic vibrations. They become frequencies in the cochlea.',
      '5 of 32 words are new, at most one in ten',
    ],
  ])('reports %s at its passage’s text', (_what, before, after, message) => {
    const { text, line } = musicWith(before, after)
    expect(faultsOf(text)).toContainEqual({ file: FILE, line: line - 1, message: expect.stringContaining(message) })
  })

  it('lets a new word stand that is explained in the text, and reports one that is not', () => {
    const explained = (meaning: string) =>
      musicWith('Something in there shakes very fast.', 'The larynx, your voice box, shakes very fast.').text.replace(
        'questions: ["what makes sound"',
        `new_words: [{ word: larynx, meaning: "${meaning}" }]\n        questions: ["what makes sound"`,
      )
    expect(faultsOf(explained('your voice box'))).toEqual([])
    expect(faultsOf(explained('a box for voices'))).toEqual([
      expect.objectContaining({ message: 'wobble-1: the meaning of "larynx" does not stand in the text: a box for voices' }),
    ])
  })

  it('reports sentences that are too long on average', () => {
    const { text, line } = musicWith(
      'Sound is a wobble! Put your hand on your neck and hum. Feel that buzz? Something in there shakes very fast. The shake moves through the air to your ears. What else can you feel buzz?',
      'Sound is a wobble that you can feel with your hand. Put one on your own neck and then hum.',
    )
    expect(faultsOf(text)).toContainEqual({ file: FILE, line: line - 1, message: expect.stringContaining('10.0 words a sentence on average, at most 8') })
  })

  it('reports a voice that is too hard to read as a whole', () => {
    const start = MUSIC.indexOf('  curious_explorers:')
    const hard = MUSIC.slice(start, MUSIC.indexOf('  mind_masters:')).replace(
      /(text: >-\n +)(.*)/g,
      '$1International communication organisations investigate extraordinary instrumental possibilities.',
    )
    const text = MUSIC.slice(0, start) + hard + MUSIC.slice(MUSIC.indexOf('  mind_masters:'))
    expect(faultsOf(text)).toContainEqual(
      expect.objectContaining({ message: expect.stringMatching(/^curious_explorers: Flesch-Kincaid grade [\d.]+, at most 5$/) }),
    )
  })

  it('reports a passage that no path leads to', () => {
    const before = '      - id: instruments-1\n'
    const lonely = [
      '      - { id: lonely, kind: path, depth: 1, subtopic: sound, ask: "Is anybody there?", icon: star, about: "being alone", text: "Nobody comes here.",',
      '          questions: ["am i alone", "who is there", "is it empty", "nobody here"], keywords: [alone, nobody], leads_to: [high-low-2, instruments-1, beat-1] }',
    ].join('\n')
    const { text, line } = musicWith(before, `${lonely}\n${before}`)
    expect(faultsOf(text)).toEqual([{ file: FILE, line, message: '"lonely" cannot be reached from the opening' }])
  })

  it('reports a voice with too little to tell, and a depth without a path', () => {
    const source = readSource(FILE, MUSIC)
    const topic = checkShape(source, TopicFile).value as TopicFile
    const { passages } = topic.voices.mind_masters
    const few = passages.filter((passage) => passage.kind !== 'answer' && !(passage.kind === 'path' && passage.depth === 7))
    const faults = topicFaults(source, { ...topic, voices: { ...topic.voices, mind_masters: { ...topic.voices.mind_masters, passages: few } } }, RULES, 'music')
    expect(faults.map((fault) => fault.message)).toEqual(
      expect.arrayContaining(['mind_masters: 0 answer passages, at least 10', 'mind_masters: no path passage of depth 7']),
    )
  })

  it('reports a strong connection that nothing crosses, and a crossing that does not arrive', () => {
    const file = 'topics/space.yaml'
    const source = readSource(file, contentFile(file))
    const topic = checkShape(source, TopicFile).value as TopicFile
    const { passages } = topic.voices.wonder_cubs
    const withPassages = (changed: typeof passages) =>
      topicFaults(source, { ...topic, voices: { ...topic.voices, wonder_cubs: { ...topic.voices.wonder_cubs, passages: changed } } }, RULES, 'space').map(
        (fault) => fault.message,
      )
    expect(withPassages(passages.filter((passage) => passage.across !== 'light'))).toContain('wonder_cubs: no crossing into light')
    const astray = passages.map((passage) =>
      passage.across === 'light' ? { ...passage, leads_to: passage.leads_to.filter((target) => !target.startsWith('light/')) } : passage,
    )
    expect(withPassages(astray)).toContainEqual(expect.stringMatching(/leads to no passage of light$/))
    const lost = passages.map((passage) => (passage.across === 'light' ? { ...passage, leads_to: ['light/nowhere', ...passage.leads_to] } : passage))
    const light = { source, topic: { ...topic, topic: 'light' } }
    const faults = crossingFaults([
      { source, topic: { ...topic, voices: { ...topic.voices, wonder_cubs: { ...topic.voices.wonder_cubs, passages: lost } } } },
      light,
    ])
    expect(faults).toContainEqual(expect.objectContaining({ file, message: expect.stringMatching(/leads to "light\/nowhere", which does not exist$/) }))
  })

  it('reports a question of the day that is too hard', () => {
    const source = readSource('sparks.yaml', contentFile('sparks.yaml'))
    const sparks = checkShape(source, SparkFile).value as SparkFile
    expect(sparkFaults(source, sparks, RULES)).toEqual([])
    const [first, ...rest] = sparks.wonder_cubs as [SparkFile['wonder_cubs'][number], ...SparkFile['wonder_cubs']]
    const hard = { ...first, question: 'What would a photosynthesising organism do if the sun were to stop shining for a whole week?' }
    const messages = sparkFaults(source, { ...sparks, wonder_cubs: [hard, ...rest] }, RULES).map((fault) => fault.message)
    expect(messages).toContainEqual(expect.stringContaining(`${first.id}: a sentence of`))
    expect(messages).toContainEqual(expect.stringContaining('photosynthesising'))
  })

  it('reports an id that stands twice', () => {
    const { text, line } = musicWith('- id: instruments-1', '- id: wobble-1')
    expect(faultsOf(text)).toContainEqual({ file: FILE, line, message: expect.stringContaining('"wobble-1" stands twice') })
  })

  it('keeps the schema for editors as the code has it', async () => {
    await promisify(execFile)(process.execPath, ['--import', 'tsx', 'src/tools/content-schema.ts', '--check'])
  }, 60_000)

  it('reports a file that is not named as its topic', () => {
    expect(faultsOf(MUSIC, 'magic')).toContainEqual({ file: FILE, line: 2, message: expect.stringContaining('must be the file') })
  })
})
