"""Common knowledge as four-way questions whose choices are single words.

The facts are general knowledge, phrased here. Distractors are of the answer's own
category, and most of them are the answers of sibling questions.
"""

from __future__ import annotations

from ._items import Item, Question, multiple_choice

_FACTS = (
    # capitals
    ("The capital of France is", "Paris London Rome Madrid"),
    ("The capital of Italy is", "Rome Paris Athens Berlin"),
    ("The capital of Germany is", "Berlin Munich Vienna Paris"),
    ("The capital of Spain is", "Madrid Barcelona Rome Paris"),
    ("The capital of Japan is", "Tokyo Beijing Bangkok Delhi"),
    ("The capital of Russia is", "Moscow Berlin Warsaw Athens"),
    ("The capital of Egypt is", "Cairo Baghdad Athens Delhi"),
    ("The capital of Greece is", "Athens Rome Cairo Sparta"),
    ("The capital of Austria is", "Vienna Berlin Munich Prague"),
    ("The capital of Canada is", "Ottawa Toronto Montreal Vancouver"),
    ("The capital of China is", "Beijing Shanghai Tokyo Bangkok"),
    ("The capital of Iraq is", "Baghdad Tehran Cairo Delhi"),
    # languages
    ("The main language spoken in Brazil is", "Portuguese Spanish French Italian"),
    ("The main language spoken in Mexico is", "Spanish Portuguese French English"),
    ("The main language spoken in Austria is", "German French Italian Russian"),
    ("The main language spoken in Egypt is", "Arabic Hebrew Greek Turkish"),
    ("The main language spoken in Australia is", "English French German Spanish"),
    ("The ancient Romans spoke", "Latin Greek Arabic Hebrew"),
    # places
    ("The Eiffel Tower is in the city of", "Paris London Rome Berlin"),
    ("The Great Wall was built in", "China Japan India Korea"),
    ("The Sahara is a desert in", "Africa Asia Europe Australia"),
    ("The Nile is the longest river in", "Africa Asia Europe America"),
    ("Kangaroos live in the wild in", "Australia Africa India Canada"),
    ("The Taj Mahal stands in", "India China Egypt Iran"),
    ("The largest ocean on Earth is the", "Pacific Atlantic Indian Arctic"),
    ("The Amazon rainforest lies mostly in", "Brazil Chile Mexico Argentina"),
    # space, physics and chemistry
    ("The planet closest to the Sun is", "Mercury Venus Mars Jupiter"),
    ("The largest planet in the solar system is", "Jupiter Saturn Earth Mars"),
    ("The Earth moves around the", "Sun Moon Earth stars"),
    ("The Red Planet is another name for", "Mars Venus Saturn Jupiter"),
    ("Water is made of hydrogen and", "oxygen nitrogen carbon helium"),
    ("Most of the air that we breathe is", "nitrogen oxygen carbon hydrogen"),
    ("Plants take in carbon", "dioxide acid oxygen sulfate"),
    ("Diamonds are made of pure", "carbon iron gold oxygen"),
    ("The force that pulls things to the ground is", "gravity friction tension pressure"),
    ("A thermometer measures", "temperature pressure weight speed"),
    ("When water freezes, it turns into", "ice steam gas sand"),
    # living things
    ("A baby dog is called a", "puppy kitten cub calf"),
    ("A baby cat is called a", "kitten puppy cub lamb"),
    ("Bees make", "honey milk silk wool"),
    ("The number of legs on a spider is", "eight six four ten"),
    ("The largest animal in the ocean is the blue", "whale shark fish crab"),
    ("Sheep are kept for their", "wool eggs feathers honey"),
    ("A caterpillar turns into a", "butterfly spider bird bee"),
    ("The tallest animal on land is the", "giraffe elephant horse camel"),
    # the body
    ("The organ that pumps blood through the body is the", "heart liver lung brain"),
    ("We think with our", "brain heart stomach liver"),
    ("We breathe with our", "lungs liver stomach kidneys"),
    ("Blood is red because it contains", "iron copper gold calcium"),
    # people and books
    ("The author of the play Hamlet was", "Shakespeare Dickens Homer Milton"),
    ("The novel Oliver Twist was written by Charles", "Dickens Darwin Smith Martin"),
    ("The scientist who developed the theory of relativity was", "Einstein Newton Darwin Galileo"),
    (
        "The scientist who explained evolution by natural selection was",
        "Darwin Newton Einstein Galileo",
    ),
    ("The scientist who wrote down the three laws of motion was", "Newton Einstein Darwin Galileo"),
    ("The Colosseum is in the city of", "Rome Athens Paris Cairo"),
    # history and society
    ("The first president of the United States was George", "Washington Bush King Adams"),
    ("The pyramids were built by the ancient", "Egyptians Romans Greeks Chinese"),
    ("The animal that gives us most of our milk is the", "cow horse pig hen"),
    ("The Roman general who crossed the Rubicon was", "Caesar Alexander Nero Hannibal"),
    ("The currency of Japan is the", "yen dollar pound euro"),
    ("The currency of the United States is the", "dollar pound yen euro"),
    # numbers and calendar
    ("The number of sides of a triangle is", "three four five six"),
    ("The number of days in a week is", "seven five six ten"),
    ("The month after January is", "February March April December"),
    ("The opposite of hot is", "cold warm dry wet"),
    ("The number of months in a year is", "twelve ten seven eleven"),
)


def items() -> list[Item]:
    """Builds the items.

    Returns:
        Four-way questions; each choice carries its leading space.
    """
    questions = []
    for prompt, words in _FACTS:
        right, *wrong = (f" {word}" for word in words.split())
        questions.append(Question(prompt, right, tuple(wrong)))
    return multiple_choice("world_facts", questions, seed=11)
