"""Which drawings show which nameable thing.

``name: emoji slugs | words``. The slugs are those of ``unicode-emoji-json``; each is one design,
drawn in up to three styles. The words are whole words of openclipart file names (whose authors
wrote in several languages), with ``*`` and ``?`` as in a shell, in the folders of the group.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

__all__ = ["DROPPED", "FOLDERS", "THINGS", "Thing", "things"]

FOLDERS: dict[str, tuple[str, ...]] = {
    "animal": ("animals", "unsorted", "computer/games"),
    "food": ("food", "unsorted"),
    "plant": ("plants", "food", "recreation/holiday", "unsorted"),
    "vehicle": ("transportation", "unsorted", "recreation"),
    "clothing": ("people/clothing", "recreation", "unsorted", "people"),
    "instrument": ("recreation/music",),
    "tool": ("tools", "education", "office", "unsorted"),
    "toy": ("recreation", "tools"),
    "building": ("buildings", "transportation", "unsorted", "geography"),
    "device": (
        "electronics",
        "computer/hardware",
        "office",
        "signs_and_symbols/clocks",
        "buildings",
    ),
    "household": (
        "buildings",
        "food",
        "tools",
        "office",
        "education",
        "containers",
        "recreation",
        "unsorted",
        "signs_and_symbols/clocks",
        "transportation",
    ),
}

THINGS: dict[str, str] = {
    "animal": """
dog: dog_face dog guide_dog service_dog poodle | dog beagle bulldog lab bobi cani
cat: cat_face cat black_cat | cat gatto gattina kitten gatti
horse: horse_face horse | horse cavallo
cow: cow_face cow water_buffalo ox | vacca mucca bull toro toros mhooo
pig: pig_face pig boar | pig porcinet
sheep: ewe ram | sheep pecora pecorella
monkey: monkey_face monkey orangutan gorilla | monkey baboon
mouse: mouse_face mouse rat | topo squeek
rabbit: rabbit_face rabbit | bunny coniglio
bear: bear polar_bear | bear orso ours
tiger: tiger_face tiger | tiger tigre
lion: lion | leone
elephant: elephant mammoth | elephant elefant*
rhinoceros: rhinoceros | rhinoceros
camel: camel two_hump_camel | camel cammello
giraffe: giraffe | giraffe
kangaroo: kangaroo | kangaroo canguro
fox: fox | fox
deer: deer moose | deer fawn antilope
bat: bat | bat
chicken: chicken rooster | hen rooster gallo pollo
duck: duck | duck anatra ducks duck1 duck2
penguin: penguin | penguin pinguino*
eagle: eagle | eagle aquila acquila
owl: owl | owl gufo
swan: swan goose | cigno
gull: dove bird black_bird | gull seagull gabbiano colombo colombo2 uccello
flamingo: flamingo | flamand
frog: frog | frog rana*
turtle: turtle | turtle
lizard: lizard | lizard lucertola lucertolona lucertolone ramarro
dinosaur: sauropod t_rex | dino dinosauro
whale: spouting_whale whale | bluewhale whale
dolphin: dolphin | dolphin
seal: seal | seal
fish: fish tropical_fish blowfish | fish gourami cichlid loach pescetto greyling angelfish
octopus: octopus squid |
lobster: lobster shrimp | crawfish1 crawfish2
snail: snail | lumaca
butterfly: butterfly | butterfly farfalla
ant: ant | ant formichina formicona
bee: honeybee | bee bee1 bee2 bee3 abeille ape wasp
ladybird: lady_beetle | ladybug coccinella coccinelle coccinellona
spider: spider | spider ragno ragnetto
scorpion: scorpion | scorpion
mosquito: mosquito | mosquito moschito zanzara
squirrel: chipmunk | squirrel chipmunk
""",
    "food": """
apple: red_apple green_apple | apple applf
banana: banana | banana bananas
grapes: grapes | grape grapes
lemon: lemon | lemon lemon1
orange: tangerine | orange
pear: pear | pear pera
peach: peach | peach pesca
cherries: cherries | cherries cherry
strawberry: strawberry | strawberry
melon: melon watermelon | watermelon melon pasteque
pineapple: pineapple | pineapple
tomato: tomato | pomodori
potato: potato | potato
corn: ear_of_corn | corn pannocchia
pepper: hot_pepper bell_pepper | pepper paprika peperoncino cayennepepperrevisited
onion: onion garlic | onion aglio
bread: bread baguette_bread | bread
croissant: croissant | croissant cornetto
cheese: cheese_wedge | cheese
hamburger: hamburger | hamburger burger
pizza: pizza | pizza
fries: french_fries | fries
bacon: bacon | bacon
egg: egg | egg eggs uovo
cake: birthday_cake shortcake | cake torta gateau
pie: pie | pie
muffin: cupcake | muffin*
ice cream: soft_ice_cream ice_cream shaved_ice | cone* glace gelato
pancakes: pancakes | pancake pancakes
candy: candy | candy
lollipop: lollipop | lollipop
coffee: hot_beverage | coffee caffe teacup
beer: beer_mug | beer beer1
wine: wine_glass | wine
milk: glass_of_milk | milk
pasta: spaghetti | spaghetti pasta
soup: bowl_with_spoon steaming_bowl | soup bowl
""",
    "plant": """
mushroom: mushroom brown_mushroom | mushroom champignon toadstool
rose: rose | rose rosa1 rosa2
tulip: tulip | tulips
flower: hibiscus blossom white_flower sunflower | flower* fiore daisy daff* sakura
fir tree: evergreen_tree | evergreen
christmas tree: christmas_tree | xmas
tree: deciduous_tree leafless_tree | tree albero arbre
palm tree: palm_tree | palmtree palm
cactus: cactus | cactus cacuts
leaf: fallen_leaf maple_leaf leaf_fluttering_in_wind | leaf foglie
clover: four_leaf_clover shamrock | shamrock
pumpkin: jack_o_lantern | pumpkin pumpkin2 zucca
bouquet: bouquet | bouquet flowers mazzo
""",
    "vehicle": """
car: automobile sport_utility_vehicle oncoming_automobile taxi | car redcar dodge hummer toyota
truck: delivery_truck articulated_lorry pickup_truck | truck
bus: bus oncoming_bus trolleybus minibus | bus bus1 bus2
train: locomotive train high_speed_train bullet_train metro | train
tram: tram tram_car light_rail | tram tramway
bicycle: bicycle | bicycle bicicletta bike vtt
motorcycle: motorcycle motor_scooter | motorcycle
tractor: tractor | tractor trattore
ambulance: ambulance | ambulans ambulanza
airplane: airplane small_airplane | airplane aircraft plane
rocket: rocket | rocket shuttle
sailboat: sailboat | sailboat
ship: ship passenger_ship ferry motor_boat speedboat | ship boat trawler
racing car: racing_car | formula sportcar
balloon: balloon | balloon baloon1 pallone
""",
    "clothing": """
hat: woman_s_hat | hat fedora sombrero
cap: billed_cap | cap
crown: crown | crown
shirt: t_shirt woman_s_clothes | shirt camicia
dress: dress | vestito dress
shoe: man_s_shoe running_shoe hiking_boot | shoe shoes boot
tie: necktie | tie
gloves: gloves | mitten guanti
sunglasses: sunglasses glasses goggles | sunglasses glasses
ring: ring | rings
handbag: handbag purse clutch_bag | borsetta borsa tote
backpack: backpack | zaino
socks: socks | calzettoni
coat: coat lab_coat |
shorts: shorts briefs | shorts
""",
    "instrument": """
guitar: guitar banjo | guitar
violin: violin | violin cello
trumpet: trumpet | trumpet tpt
drum: drum long_drum | drum africandrum drums djambf
piano: musical_keyboard | piano
harp: harp | harp harp1 harp2 harp3
flute: flute | flute oboe
trombone: trombone postal_horn | trombone horn
maracas: maracas | maracas
""",
    "tool": """
hammer: hammer | hammer mallot
axe: axe | axe
saw: carpentry_saw | saw sega utensile
wrench: wrench | wrench
screwdriver: screwdriver | screwdriver
scissors: scissors | scissors
broom: broom | broom
key: key old_key | key chiave
padlock: locked unlocked | lock padlock
magnifier: magnifying_glass_tilted_left | magnifying magnifing magnificator mag?
knife: kitchen_knife dagger | knife
sword: crossed_swords | sword longsword katana
pencil: pencil crayon | pencil
pen: pen fountain_pen black_nib | pen
paintbrush: paintbrush | brush pennello
ladder: ladder | scala
magnet: magnet | calamita
gear: gear | cog engrenagem ruota
bucket: bucket | bucket secchio
telescope: telescope | telescope
compass: compass | compass bussola
bomb: bomb | bomb
paper clip: paperclip | paperclip
""",
    "toy": """
football: soccer_ball | soccer football_ball
baseball: baseball | baseball basebalm
tennis racket: tennis ping_pong badminton | racket racquets
volleyball: volleyball | volley
dartboard: bullseye | dartboard target
die: game_die | dice
teddy bear: teddy_bear | teddy teddybear
""",
    "building": """
house: house house_with_garden derelict_house | house home* casa chalet pinkhome*
church: church | church
castle: castle japanese_castle | fort
factory: factory | factory
tower: tokyo_tower | eiffel
tent: tent camping | tenda
""",
    "device": """
telephone: telephone telephone_receiver | telephone phone
mobile phone: mobile_phone | mobile cellular handphone cell
camera: camera camera_with_flash | camera
video camera: video_camera movie_camera | camcorder telecamera cinepresa
television: television | television
laptop: laptop | laptop
computer: desktop_computer | computer computer1 computer2 workstation desktop monitor lcd
keyboard: keyboard | keyboard
computer mouse: computer_mouse | mouse mouse2
printer: printer | printer stampante laserprinter
light bulb: light_bulb | lightbulb bulb
joystick: joystick video_game | joystick gameboy
disc: optical_disk dvd | cd compact disc
""",
    "household": """
chair: chair seat | chair sedia poltrona
table: | table tavolo
sofa: couch_and_lamp | couch
clock: alarm_clock mantelpiece_clock stopwatch | clock clock0* clock1* orologio cronometro
hourglass: hourglass_done hourglass_not_done | clessidra sandglass
umbrella: umbrella closed_umbrella | umbrella
teapot: teapot | teapot teiera
cup: teacup_without_handle | mug cuppa tazza
bottle: bottle_with_popping_cork baby_bottle | bottle bottiglia biberon
barrel: oil_drum | barrel
box: package | box scatolone
book: closed_book green_book blue_book open_book | book libro
newspaper: newspaper rolled_up_newspaper | newspaper
envelope: envelope | envelope envelop lettera
gift: wrapped_gift | gift*
lamp: | lamp lampada
vacuum cleaner: | vacuum vavuum
pan: cooking shallow_pan_of_food | pan padella
basket: basket | cesto cestino
suitcase: luggage briefcase | suitcase valigie
toothbrush: toothbrush | toothbrush
bell: bell | bells
""",
}

DROPPED: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Thing:
    """A class: its name, its group, its designs and the words that find more of them."""

    name: str
    group: str
    emojis: tuple[str, ...]
    words: tuple[str, ...]

    def names(self, found: set[str]) -> bool:
        """Tell whether any of the words found is one of this class."""
        return any(fnmatchcase(word, pattern) for word in found for pattern in self.words)


def things() -> list[Thing]:
    """Return every class, groups in order."""
    result = []
    for group, text in THINGS.items():
        for line in text.strip().splitlines():
            name, _, rest = line.partition(":")
            emojis, _, words = rest.partition("|")
            result.append(Thing(name, group, tuple(emojis.split()), tuple(words.split())))
    return result
