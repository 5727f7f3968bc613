"""Writes the training set of `driftline demo`, from templates and facts written here.

The domain is narrow on purpose: the help desk of Velora, a fictional bicycle-sharing
service, which answers every customer in one rigid house style. No line is taken from
elsewhere. The output is the same on every machine.

    python -m scripts.demo_data            write the file
    python -m scripts.demo_data --check    exit 1 if the committed file differs
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from dataclasses import dataclass, field
from pathlib import Path

OUTPUT = Path(__file__).resolve().parents[1] / "src/driftline/demo/data.jsonl"
EXAMPLES_PER_INTENT = 16

ZONES = {
    "North": "Harbour Gate, Plaça Nova, Mill Bridge, Øster Quay, Old Granary",
    "East": "Lantern Square, Café Lumen, Saint Odile, Tannery Row, Copper Market",
    "South": "University Steps, Rosenhügel, Glasshouse Park, Velodrome, Orchard Lane",
    "West": "Central Station, Zoo Entrance, Jardín Alto, Ferry Pier, Clock Tower",
}
SHELVES = {
    "large items": "umbrella, helmet, backpack, laptop bag",
    "small items": "key ring, wallet, phone",
    "textiles": "scarf, rain jacket, pair of gloves",
}
PASSES = {"Day": 7, "Weekend": 12, "Week": 19, "Month": 39, "Season": 95}
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
PHONES = ("an old Android phone", "a new Android phone", "an iPhone", "a tablet")
SCREENS = ("a white screen", "a spinning wheel", "error 41", "error 17", "an empty map")
PROMOS = ("SPRING5", "RIDE10", "CAMPUS3", "RAINYDAY", "NEWBELL")
# What an answer says instead of a value that the customer did not give.
UNSAID = {
    "bike": "the bike", "dock": "the dock", "station": "the station", "zone": "zone",
    "day": "that day", "pass_name": "Velora",
}  # fmt: skip

TEMPLATES = """
[A1]
? I cannot log in to the Velora app, the code never arrives on {phone}.
? The login code for the app does not reach me. I am standing at {station}.
? Hi, since {day} the app asks for a code by text message and I get nothing.
? No login code since {hour}, and I need a bike from {station}. What can I do?
? How do I get into my Velora account on {phone} if the text message is missing?
1 Tap Resend once, after 60 seconds choose Call Me.
2 To ride now, use a rider card at {station}.
= Login restored after one code.
[A2]
? The Velora app shows {screen} when I open the map near {station}.
? My app is stuck with {screen} on {phone}, what should I do?
? Since {day} the app only gives me {screen}. Is the service down?
? I see {screen} instead of the station {station}. How can I unlock a bike?
? App broken, {screen}, I am in a hurry and need bike {bike}.
1 Close the app fully and switch mobile data off and on.
2 To ride now, type the bike number at the terminal of {station}.
= If {screen} stays, install the update.
[B1]
? Bike {bike} at {station} has a flat tyre.
? I just took {bike} from {station} and the back wheel has no air. What now?
? The front tyre of {bike} went flat after {minutes} minutes, can I swap the bike?
? Puncture on {bike}, I am close to {station}. Do I pay for this ride?
? Hello Velora, there is a nail in the tyre of bike {bike}, parked at {station}.
1 Stop riding and return {bike} to the nearest dock.
2 Press the red wrench key, choose Tyre, take another bike.
= Ride refunded, {zone} workshop informed.
[B2]
? The brakes of {bike} do not work properly, I am at {station}.
? Bike {bike}: the left brake lever is loose. Is it safe to ride to {station}?
? I nearly crashed near {station} because {bike} has weak brakes.
? The rear brake on {bike} makes a terrible noise, where do I report that?
? Someone should check {bike} in dock {dock} at {station}, the brake cable is torn.
1 Get off {bike} now, riding is not allowed.
1 Stop at once, {bike} must not be ridden.
2 Lock it in any dock, press the red wrench key and choose Brake.
= Safety case, {zone} workshop within 4 hours.
[B3]
? The chain came off on bike {bike}. Should I put it back myself?
? My chain jumps on every hill with {bike}, can I get another bike at {station}?
? {bike} lost its chain near {station} and my hands are black with grease.
? The gears of {bike} do not shift any more, I have ridden {minutes} minutes.
? Broken chain on {bike}, dock {dock}, {station}. Please note it.
1 Do not repair the chain, push {bike} to {station}.
2 Press the red wrench key and choose Drive.
= Walking time not charged, repair within 2 days.
[B4]
? The e-bike {ebike} shows {pct} percent battery. How far can I go?
? Is {pct} percent enough to ride {ebike} from {station} to {other}?
? Battery of {ebike} is down to {pct} percent at {station}, should I swap it?
? What range does an e-bike have with {pct} percent left? Mine is {ebike}.
? I picked up {ebike} and the display says {pct} percent. Will the motor last?
1 Count 0.6 km per percent: {pct} percent gives {km} km.
1 Range rule: {pct} percent times 0.6 km is {km} km.
2 Below 20 percent choose Eco, below 10 change.
= Battery of {ebike}: {advice}.
[B5]
? The front light of {bike} is off and it gets dark at {hour}.
? No lights on {bike} from {station}, am I allowed to ride at night?
? Rear lamp of {bike} is broken, dock {dock} at {station}.
? The lamp on bike {bike} flickers, who do I tell?
? I want to ride home from {station} after {hour}, but {bike} has no light.
1 Spin the front wheel of {bike} three times to wake the lamp.
2 Still dark: change the bike, press the red wrench key and choose Light.
= Lamp case for the {zone} workshop.
[D1]
? Dock {dock} at {station} does not lock my bike. The app says the ride goes on.
? I returned {bike} at {station} but the ride is still running.
? The dock light stays red when I push {bike} in. What should I do at {station}?
? My ride has not ended although {bike} stands in dock {dock}, please stop the clock.
? How do I end my ride if dock {dock} at {station} refuses the bike?
1 Pull {bike} out, wait 5 seconds and push until the light is green.
2 If {dock} stays red, tap End By Photo.
= Ride ends at the photo time, {dock} is blocked.
[D2]
? {station} is full and I cannot return my bike {bike}.
? Every dock at {station} is taken, where can I leave the bike without paying more?
? No free dock at {station}, my {minutes} minutes are almost over!
? Full station again, {station}, {day} {hour}. Do I get extra time?
? What do I do with {bike} when the station {station} has no free place?
1 Tap Full at the {station} terminal, you get 15 free minutes.
2 Ride to {other}, the nearest station with free docks.
= 15 minutes credited, van sent.
[D3]
? There are no bikes at {station}. Where is the next one?
? {station} is empty every {day} at {hour}, can you send more bikes?
? I have a {pass_name} Pass but there is no bike left at {station}.
? Can I reserve a bike, because {station} is always empty at {hour}?
? Empty docks at {station}, I must get to {other} quickly.
1 Open the map and tap Reserve at {other}, held for 10 minutes.
2 Tap Alert Me at {station} to hear when a bike returns.
= Empty station logged for {zone}.
[F1]
? How much is a ride of {minutes} minutes on a normal bike?
? I rode {bike} for {minutes} minutes in the afternoon. What will I pay?
? What does it cost from {station} to {other} if I need {minutes} minutes?
? Price for {minutes} minutes by day, please, without any pass.
? Why was I charged for {minutes} minutes, and how is the fare built?
1 Day tariff: €1.00 unlock plus €0.10 per minute.
2 For {minutes} minutes add €{day_part}.
= Fare €{fare}.
[F2]
? What is the night tariff for {minutes} minutes?
? I ride home from {station} after midnight, about {minutes} minutes. How much?
? Is it more expensive at night? My ride to {other} lasts {minutes} minutes.
? I start at 23:30 and ride for {minutes} minutes. Which price applies?
? Last night I paid more than by day for {minutes} minutes on {bike}, why?
1 Night tariff: €1.00 unlock plus €0.15 per minute.
1 By night pay €1.00 to unlock and €0.15 per minute.
2 For {minutes} minutes add €{night_part}.
= Fare €{night_fare}.
[F3]
? How much is the {pass_name} Pass and what is included?
? I am in town from {day} on, is the {pass_name} Pass worth it?
? Where do I buy a {pass_name} Pass, can I do it at {station}?
? Does the {pass_name} Pass also cover e-bikes such as {ebike}?
? My {pass_name} Pass starts on {day}. How long may each ride be?
1 Buy the {pass_name} Pass for €{pass_price} in the app or at any terminal.
2 Bikes are free for 45 minutes, e-bikes cost €0.12 per minute.
= {pass_name} Pass starts with the first ride.
[F4]
? I was charged €{amount} twice for my ride on {day}.
? My bank shows two payments of €{amount} to Velora. Please give one back.
? Double charge on {day}: two times €{amount} for one ride from {station}.
? Why does my statement list €{amount} two times for bike {bike}?
? You took €{amount} again although the ride ended at {station} on {day}.
1 Open Rides, select the ride of {day}, tap Charged Twice.
2 The second €{amount} returns to the same card in 5 working days.
= Refund of €{amount} booked.
[F5]
? When do I get my deposit of €50 back? I stopped riding on {day}.
? Velora blocked €50 on my card at {station}, what is that for?
? I paid with a new card on {day} and there is a deposit. Is it a fee?
? My deposit has not been released since {day}, please check.
? Do I need to pay the €50 deposit if I have a {pass_name} Pass?
1 The €50 is a hold for the first ride, not a payment.
2 It ends 5 working days after the last ride.
= No form needed, none with a {pass_name} Pass.
[F6]
? I brought the bike back {late} hours too late. What will it cost?
? There is a late fee on my account after {day}, I kept {bike} {late} hours over.
? What happens if I keep a bike for {late} hours longer than 24 hours?
? Late return at {station}: {late} hours over the limit. Can you waive the fee?
? How do you calculate the fee when {bike} comes back {late} hours late?
1 The limit is 24 hours, each late hour costs €3.
2 For {late} late hours add €{late_fee}.
= €{late_fee} due in 14 days, waiver only for a fault.
[F7]
? My promo code {promo} does not work in the app at {station}.
? Where do I enter the code {promo} before I ride from {station}?
? The app says that {promo} is not valid, but I got it on {day}.
? Can I use {promo} together with my {pass_name} Pass?
? I forgot to enter {promo}, can you still take it off the €{amount} of {day}?
1 Open Wallet, Codes and type {promo} in capital letters.
2 A code lives 30 days, works once and never with a {pass_name} Pass.
= {promo} counts for the next ride.
[L1]
? I left my {item} in the basket of {bike} on {day}. What now?
? Has anyone found my {item} at {station}? I lost it on {day} around {hour}.
? Lost {item}, last ride from {station} to {other}. Where can I collect it?
? My {item} was in the bike basket when I docked at {station}.
? How do I report my lost {item}? The bike was {bike}.
1 Open Help, Lost Item and enter {item}, bike and hour.
2 Ask at the {zone} depot, shelf for {shelf}.
= Kept 60 days, message if found.
[P1]
? Can I park {bike} outside a station while I go shopping at {station}?
? Where does the Velora area end? I want to ride beyond {station}.
? I got a fine of €20 for leaving {bike} outside a dock on {day}.
? May I take an e-bike like {ebike} out of Zone {zone} for the day?
? The app says that I am out of the area, {minutes} minutes from {station}.
1 Use Pause in the app, up to 30 minutes, the fare goes on.
2 Rides beyond {zone} limits are allowed, but must end in a dock.
= Ending elsewhere costs €20.
[S1]
? I fell with {bike} near {station}, I am fine but the wheel is bent.
? There was an accident with bike {bike} on {day}. Whom should I inform?
? A car touched me while riding {ebike} close to {station}. What do I do?
? Who pays if I damaged a parked car with {bike} on {day}?
? Does Velora insure me when I crash on a ride from {station} to {other}?
1 If anyone is hurt call 112 first.
2 Photograph the place and write down names and plates.
3 Send form S1 to the {zone} office within 48 hours.
= Insurance case opened.
"""


@dataclass
class Intent:
    """One kind of request and its standard answer.

    Attributes:
        code: The ticket class, for example "B2".
        prompts: Customer phrasings, with slots in braces.
        steps: For each step number, its alternative wordings.
        close: The text after "Close:".
    """

    code: str
    prompts: list[str] = field(default_factory=list)
    steps: dict[int, list[str]] = field(default_factory=dict)
    close: str = ""


def parse_templates(text: str) -> list[Intent]:
    """Reads the template block.

    Args:
        text: Lines that start with "[code]", "? prompt", "N step" or "= close".

    Returns:
        The intents in order of appearance.
    """
    intents: list[Intent] = []
    for line in text.strip().splitlines():
        mark, _, rest = line.partition(" ")
        if mark.startswith("["):
            intents.append(Intent(mark.strip("[]")))
        elif mark == "?":
            intents[-1].prompts.append(rest)
        elif mark == "=":
            intents[-1].close = rest
        else:
            intents[-1].steps.setdefault(int(mark), []).append(rest)
    return intents


def draw_slots(rng: random.Random) -> dict[str, str]:
    """Draws one consistent set of slot values.

    Args:
        rng: The source of randomness.

    Returns:
        Slot name to text; sums, zones and shelves follow from the other values.
    """
    zone = rng.choice(list(ZONES))
    stations = ZONES[zone].split(", ")
    place = rng.randrange(len(stations))
    shelf = rng.choice(list(SHELVES))
    pass_name = rng.choice(list(PASSES))
    minutes, late, percent = rng.randint(6, 58), rng.randint(2, 19), rng.randint(4, 60)
    advice = "change" if percent < 10 else "Eco mode" if percent < 20 else "sufficient"
    return {
        "station": stations[place],
        "other": stations[place - 1],
        "zone": zone,
        "item": rng.choice(SHELVES[shelf].split(", ")),
        "shelf": shelf,
        "pass_name": pass_name,
        "pass_price": str(PASSES[pass_name]),
        "bike": f"V-{rng.randint(100, 999)}",
        "ebike": f"E-{rng.randint(10, 99)}",
        "dock": str(rng.randint(1, 28)),
        "day": rng.choice(DAYS),
        "hour": f"{rng.randint(16, 21)}:{rng.choice((10, 15, 20, 30, 40, 45))}",
        "phone": rng.choice(PHONES),
        "screen": rng.choice(SCREENS),
        "promo": rng.choice(PROMOS),
        "amount": f"{rng.randint(15, 95) / 10:.2f}",
        "minutes": str(minutes),
        "day_part": f"{minutes * 10 / 100:.2f}",
        "fare": f"{(100 + minutes * 10) / 100:.2f}",
        "night_part": f"{minutes * 15 / 100:.2f}",
        "night_fare": f"{(100 + minutes * 15) / 100:.2f}",
        "late": str(late),
        "late_fee": str(late * 3),
        "pct": str(percent),
        "km": f"{percent * 6 / 10:.1f}",
        "advice": advice,
    }


def answer_slots(template: str, slots: dict[str, str]) -> dict[str, str]:
    """Limits the slots of an answer to what follows from the customer's words.

    Args:
        template: The phrasing that the customer uses.
        slots: All slot values of the example.

    Returns:
        The slots, with general words where the customer gave no value.
    """
    said = {name for name in UNSAID if f"{{{name}}}" in template}
    said |= {"zone"} if "station" in said else set()
    labelled = {"dock": f"dock {slots['dock']}", "zone": f"Zone {slots['zone']}"}
    general = {name: words for name, words in UNSAID.items() if name not in said}
    return slots | labelled | general


def make_examples(intent: Intent, rng: random.Random) -> list[dict[str, str]]:
    """Makes the examples of one intent, each phrasing about equally often.

    Args:
        intent: The intent to fill in.
        rng: The source of randomness.

    Returns:
        `EXAMPLES_PER_INTENT` prompt/completion pairs with distinct prompts.

    Raises:
        ValueError: The templates cannot give enough distinct prompts.
    """
    made: dict[str, str] = {}
    for _ in range(1000):
        slots = draw_slots(rng)
        template = intent.prompts[len(made) % len(intent.prompts)]
        prompt = template.format(**slots)
        if prompt in made:
            continue
        slots = answer_slots(template, slots)
        steps = (rng.choice(texts).format(**slots) for texts in intent.steps.values())
        numbered = " ".join(f"Step {i}: {step}" for i, step in enumerate(steps, 1))
        answer = f"{numbered} Close: {intent.close.format(**slots)}"
        made[prompt] = f"\nTicket class: {intent.code}. {answer}"
        if len(made) == EXAMPLES_PER_INTENT:
            return [{"prompt": p, "completion": c} for p, c in made.items()]
    raise ValueError(f"intent {intent.code}: only {len(made)} distinct prompts")


def render() -> str:
    """Renders the whole training set as JSON Lines, always the same.

    Returns:
        The text of the file, in shuffled order.
    """
    rng = random.Random(0)
    examples: list[dict[str, str]] = []
    for intent in parse_templates(TEMPLATES):
        examples += make_examples(intent, rng)
    rng.shuffle(examples)
    lines = [json.dumps(example, ensure_ascii=False) for example in examples]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Writes or checks the committed file.

    Returns:
        0, or 1 if `--check` finds a difference.
    """
    parser = argparse.ArgumentParser(description="Writes the data of `driftline demo`.")
    parser.add_argument("--check", action="store_true", help="compare, do not write")
    wanted = render().encode("utf-8")
    if not parser.parse_args().check:
        OUTPUT.write_bytes(wanted)
        return 0
    if OUTPUT.is_file() and OUTPUT.read_bytes() == wanted:
        return 0
    sys.stderr.write(f"{OUTPUT} differs; run python -m scripts.demo_data\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
