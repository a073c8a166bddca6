import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { type ContentFault, checkShape, readSource, topicFaults } from '../../src/learning/content/content-faults.ts'
import { TopicFile, TopicMap } from '../../src/learning/content/curriculum.schema.ts'

const contentFile = (name: string): string => readFileSync(new URL(`../../src/learning/content/${name}`, import.meta.url), 'utf8')

const FILE = 'topics/music.yaml'
const MUSIC = contentFile(FILE)
const MAP = checkShape(readSource('map.yaml', contentFile('map.yaml')), TopicMap).value as TopicMap

/** Every fault the check finds in a version of Music. */
function faultsOf(text: string, slug = 'music'): ContentFault[] {
  const source = readSource(FILE, text)
  const { value, faults } = checkShape(source, TopicFile)
  return value ? [...faults, ...topicFaults(source, value, MAP, slug)] : faults
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
    ['an icon that is no name', 'icon: wave', 'icon: "Wave!"', /icon: /],
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
    ['a subtopic that is not on the map', 'subtopic: sound', 'subtopic: silence', 'unknown subtopic "silence"'],
    ['an opening that leads nowhere', 'leads_to: [wobble-1, instruments-1, beat-1]', 'leads_to: [wobble-1, instruments-1, nowhere]', '"nowhere"'],
    ['a choice that leads nowhere', 'leads_to: [high-low-2, instruments-1,', 'leads_to: [nowhere, instruments-1,', '"nowhere"'],
    ['a choice offered twice', 'leads_to: [high-low-2, instruments-1,', 'leads_to: [high-low-2, high-low-2,', 'a choice stands twice'],
    ['a passage that leads to itself', 'leads_to: [high-low-2, instruments-1,', 'leads_to: [wobble-1, instruments-1,', 'cannot lead to itself'],
    ['two passages asked for alike', 'ask: "How do you play a drum or guitar?"', 'ask: "what is SOUND?"', 'is asked by "wobble-1" too'],
    ['a greeting without a name', 'Hi {name}! Listen', 'Hi there! Listen', 'greets without {name}'],
    [
      'a choice that leads into a topic that is not on the map',
      'leads_to: [high-low-2, instruments-1,',
      'leads_to: [atlantis/gates, instruments-1,',
      'atlantis',
    ],
  ])('reports %s where it stands', (_what, before, after, message) => {
    const { text, line } = musicWith(before, after)
    expect(faultsOf(text)).toContainEqual({ file: FILE, line, message: expect.stringContaining(message) })
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
      'Each one starts to shake, and out comes the sound!',
      'Something in there shakes very fast.',
      'repeats a sentence of "wobble-1"',
    ],
  ])('reports %s at its passage’s text', (_what, before, after, message) => {
    const { text, line } = musicWith(before, after)
    expect(faultsOf(text)).toContainEqual({ file: FILE, line: line - 1, message: expect.stringContaining(message) })
  })

  it('reports sentences that are too long on average', () => {
    const { text, line } = musicWith(
      'Sound is a wobble! Put your hand on your neck and hum. Feel that buzz? Something in there shakes very fast. The shake moves through the air to your ears. What else can you feel buzz?',
      'Sound is a wobble that you can feel with your hand. Put one on your own neck and then hum.',
    )
    expect(faultsOf(text)).toContainEqual({ file: FILE, line: line - 1, message: expect.stringContaining('10.0 words a sentence on average, at most 8') })
  })

  it('reports a passage that no path leads to', () => {
    const before = '      - id: instruments-1\n'
    const lonely = [
      '      - { id: lonely, kind: path, depth: 1, subtopic: sound, ask: "Is anybody there?", icon: star, about: "being alone", text: "Nobody comes here.",',
      '          keywords: [alone, nobody], leads_to: [wobble-1, instruments-1, beat-1] }',
    ].join('\n')
    const { text, line } = musicWith(before, `${lonely}\n${before}`)
    expect(faultsOf(text)).toEqual([{ file: FILE, line, message: '"lonely" cannot be reached from the opening' }])
  })

  it('reports an id that stands twice', () => {
    const { text, line } = musicWith('- id: instruments-1', '- id: wobble-1')
    expect(faultsOf(text)).toContainEqual({ file: FILE, line, message: expect.stringContaining('"wobble-1" stands twice') })
  })

  it('reports a file that is not named as its topic', () => {
    expect(faultsOf(MUSIC, 'magic')).toContainEqual({ file: FILE, line: 1, message: expect.stringContaining('must be the file') })
  })
})
