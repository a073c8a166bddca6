import type { AgeGroup } from '../../src/family/age-groups.ts'
import type { MapState } from '../../src/learning/constellation/topic-map.ts'
import type { Topic } from '../../src/learning/curriculum/curriculum.ts'
import { type BuiltinTutor, builtinTutor } from '../../src/learning/tutor/builtin.ts'
import { passageRetrieval } from '../../src/learning/tutor/retrieval.ts'
import type { TutorChoice, TutorModel, TutorSignals, TutorTurn } from '../../src/learning/tutor/tutor-model.ts'
import { curriculum, everythingOpen } from './curriculum.ts'

export const retrieval = passageRetrieval(curriculum)

/** The real tutor, without a pause between sentences. */
export const tutor: BuiltinTutor = builtinTutor(curriculum, retrieval, 0)

export interface Reply {
  readonly text: string
  readonly chunks: readonly string[]
  readonly choices: readonly TutorChoice[]
  readonly signals: TutorSignals
}

/** Hears a whole reply. Throws unless the choices come once, at the end. */
export async function listenTo(model: TutorModel, turn: TutorTurn, signal: AbortSignal = new AbortController().signal): Promise<Reply> {
  const chunks: string[] = []
  let end: Omit<Reply, 'text' | 'chunks'> | undefined
  for await (const event of model.reply(turn, signal)) {
    if (end) throw new Error('something came after the choices')
    if ('text' in event) chunks.push(event.text)
    else end = event
  }
  if (!end) throw new Error('the choices never came')
  return { ...end, chunks, text: chunks.join('') }
}

/** A turn of a conversation that has just begun, on a map where everything is open; whatever is not given. */
export function turnIn(topic: Topic, ageGroup: AgeGroup, said: TutorTurn['said'], rest: Partial<TutorTurn> = {}): TutorTurn {
  const map = rest.map ?? everythingOpen
  const { choices } = tutor.greet({ topic, ageGroup, childName: 'Emma', map, heardBefore: new Set() })
  return { topic, ageGroup, map, told: [], offered: choices, turnNumber: 0, said, ...rest }
}

/** Asks one question at the start of a conversation. */
export const ask = (topic: Topic, ageGroup: AgeGroup, question: string, rest: Partial<TutorTurn> = {}): Promise<Reply> =>
  listenTo(tutor, turnIn(topic, ageGroup, { question }, rest))

/** Numbers in 0..1 that are the same in every run (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

export interface Walk {
  readonly topic: Topic
  readonly ageGroup: AgeGroup
  readonly map: MapState
  readonly turns: number
  /** What the child says, knowing what is offered. */
  readonly say: (offered: readonly TutorChoice[], turnNumber: number) => TutorTurn['said']
}

/** Holds a conversation as the server does, and tells of each reply with what had been told before it. */
export async function walk(
  { topic, ageGroup, map, turns, say }: Walk,
  look: (reply: Reply, before: { readonly told: readonly string[]; readonly said: TutorTurn['said'] }) => void,
): Promise<readonly string[]> {
  const told: string[] = []
  let offered = tutor.greet({ topic, ageGroup, childName: 'Emma', map, heardBefore: new Set() }).choices
  for (let turnNumber = 0; turnNumber < turns; turnNumber += 1) {
    const said = say(offered, turnNumber)
    const reply = await listenTo(tutor, { topic, ageGroup, map, told: [...told], offered, said, turnNumber })
    look(reply, { told: [...told], said })
    if (reply.signals.passage) told.push(reply.signals.passage.key)
    offered = reply.choices
  }
  return told
}
