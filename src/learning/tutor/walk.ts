import type { AgeGroup } from '../../family/age-groups.ts'
import type { MapState } from '../constellation/topic-map.ts'
import type { Curriculum, Passage, Topic } from '../curriculum/curriculum.ts'
import type { BuiltinTutor } from './builtin.ts'
import { CHOICES } from './choices.ts'
import type { TutorChoice } from './tutor-model.ts'

/** Taps of a child that goes as deep as a topic goes: one point each, 21 for depth 10. */
export const TAPS_TO_THE_DEEPEST = 21

export interface Walk {
  readonly topic: Topic
  readonly ageGroup: AgeGroup
  readonly map: MapState
  readonly childName: string
  readonly taps: number
  /** Which of the choices the child taps. */
  readonly pick: (choices: readonly TutorChoice[], tap: number) => TutorChoice
}

/** One reply of a walk; the greeting has no tap. */
export interface Step {
  readonly tapped: TutorChoice | undefined
  readonly text: string
  readonly passage: Passage | undefined
  readonly choices: readonly TutorChoice[]
}

/** Holds a talk of taps alone, as the server does. Ends early when nothing is offered any more. */
export async function* walkThrough(tutor: BuiltinTutor, { topic, ageGroup, map, childName, taps, pick }: Walk): AsyncGenerator<Step> {
  const greeting = tutor.greet({ topic, ageGroup, childName, map, heardBefore: new Set() })
  yield { ...greeting, tapped: undefined, passage: undefined }
  const told: string[] = []
  let offered = greeting.choices
  for (let tap = 0; tap < taps && offered.length > 0; tap += 1) {
    const tapped = pick(offered, tap)
    const step = { tapped, text: '', passage: undefined as Passage | undefined }
    for await (const event of tutor.reply({ topic, ageGroup, map, told, offered, said: { choice: tapped }, turnNumber: tap }, AbortSignal.any([]))) {
      if ('text' in event) step.text += event.text
      else {
        offered = event.choices
        step.passage = event.signals.passage
      }
    }
    if (step.passage) told.push(step.passage.key)
    yield { ...step, choices: offered }
  }
}

/** Children that always tap the same place, and some that wander: the same every time. */
const PICKS: readonly (readonly [who: string, place: (tap: number) => number])[] = [
  ['always taps the first choice', () => 0],
  ['always taps the second choice', () => 1],
  ['always taps the third choice', () => 2],
  ['taps them in turn', (tap) => tap % CHOICES],
  ['wanders', (tap) => (tap * tap + Math.floor(tap / 2)) % CHOICES],
]

/**
 * What goes wrong for children that tap their way to the deepest point of a topic, with the whole map open and with
 * nothing but this topic: a passage told twice, or fewer than three different ways on. Each fault names where it happened.
 */
export async function walkFaults(
  tutor: BuiltinTutor,
  curriculum: Curriculum,
  topic: Topic,
  ageGroup: AgeGroup,
): Promise<{ readonly passage: Passage | undefined; readonly message: string }[]> {
  const others = curriculum.topics.filter((other) => other !== topic)
  const maps: readonly (readonly [where: string, map: MapState])[] = [
    ['with every topic open', { restricted: new Set(), progress: new Map(curriculum.topics.map(({ id }) => [id, { depth: 10, talked: true }])) }],
    ['with this topic alone', { restricted: new Set(others.map((other) => other.id)), progress: new Map() }],
  ]
  const faults = []
  for (const [where, map] of maps) {
    for (const [who, place] of PICKS) {
      const pick = (choices: readonly TutorChoice[], tap: number) => choices[place(tap) % choices.length] as TutorChoice
      const heard = new Set<string>()
      let tap = 0
      for await (const { passage, choices } of walkThrough(tutor, { topic, ageGroup, map, childName: 'Kim', taps: TAPS_TO_THE_DEEPEST, pick })) {
        const walker = `a child who ${who}, ${where}, after ${tap} taps`
        if (passage && heard.has(passage.key)) faults.push({ passage, message: `${walker} hears "${passage.key}" again` })
        if (passage) heard.add(passage.key)
        const different = new Set(choices.map((choice) => choice.text.toLowerCase())).size
        if (different !== CHOICES) faults.push({ passage, message: `${walker} is offered ${different} ways on` })
        tap += 1
      }
    }
  }
  return faults
}
