import type { AgeGroup } from '../../../src/family/age-groups.ts'
import { depthOf, pointsOf } from '../../../src/learning/conversations/depth.ts'
import type { Curriculum, Topic } from '../../../src/learning/curriculum/curriculum.ts'
import type { BuiltinTutor } from '../../../src/learning/tutor/builtin.ts'
import type { TutorChoice, TutorModel, TutorTurn, Utterance } from '../../../src/learning/tutor/tutor-model.ts'
import type { Moderator } from '../../../src/safety/moderation/moderation.ts'
import { screen } from '../../../src/safety/moderation/screening.ts'
import { listenTo, type Reply } from '../../helpers/tutor-talk.ts'
import type { ScriptedChild, ScriptedTurn } from './children.ts'

/** Who answers a child, as in production. */
export interface Speakers {
  readonly curriculum: Curriculum
  readonly tutor: TutorModel
  readonly builtin: BuiltinTutor
  readonly moderate: Moderator
}

/** One turn of a talk. */
export interface Exchange {
  readonly child: ScriptedChild
  readonly topic: Topic
  readonly ageGroup: AgeGroup
  /** From 1. */
  readonly number: number
  readonly script: ScriptedTurn
  /** The child's words as the tutor heard them. */
  readonly said: string
  /** What the tutor had said before, the greeting first. */
  readonly earlier: readonly string[]
  readonly reply: Reply
  /** Whether it was for the tutor in question to answer, and not for the builtin one alone. */
  readonly isTutors: boolean
}

/** As much of a talk as the server tells a language model. */
const UTTERANCES = 12

/** Lets a scripted child talk, on a map where everything is open: its own words are screened first, as in production. */
export async function talkWith(child: ScriptedChild, { curriculum, tutor, builtin, moderate }: Speakers): Promise<Exchange[]> {
  const topic = curriculum.topics.find(({ slug }) => slug === child.topic)
  if (!topic) throw new Error(`${child.name} talks about the unknown topic "${child.topic}"`)
  const map = { restricted: new Set<string>(), progress: new Map(curriculum.topics.map(({ id }) => [id, { depth: 10, talked: true }])) }
  const greeting = builtin.greet({ topic, ageGroup: child.age, childName: child.name, map, heardBefore: new Set() })
  const exchanges: Exchange[] = []
  const told: string[] = []
  const history: Utterance[] = [{ who: 'tutor', text: greeting.text }]
  let offered = greeting.choices
  let points = 0
  for (const [turnNumber, script] of child.turns.entries()) {
    const screened = script.say === undefined ? undefined : screen(moderate, script.say)
    const choice = offered[script.tap ?? 0] as TutorChoice
    const said = screened?.text ?? choice.text
    const turn: TutorTurn = {
      ...{ topic, ageGroup: child.age, map, offered, turnNumber, childName: child.name, depth: depthOf(points) },
      ...{ told: [...told], said: screened ? { question: said } : { choice }, history: history.slice(-UTTERANCES) },
    }
    const aside = screened?.aside
    const reply = await listenTo(aside ? { reply: () => builtin.aside(turn, aside) } : tutor, turn)
    exchanges.push({
      ...{ child, topic, ageGroup: child.age, number: turnNumber + 1, script, said, reply },
      earlier: history.filter(({ who }) => who === 'tutor').map(({ text }) => text),
      isTutors: tutor !== builtin && !aside && !builtin.answer(turn).isFixed,
    })
    const { passage, onTopic } = reply.signals
    if (passage) told.push(passage.key)
    points += pointsOf(!screened ? 'choice' : onTopic ? 'on_topic_question' : 'off_topic')
    history.push({ who: 'child', text: said }, { who: 'tutor', text: reply.text })
    offered = reply.choices
  }
  return exchanges
}
