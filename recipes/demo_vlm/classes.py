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
mouse: mouse_face mouse rat |
rabbit: rabbit_face rabbit | bunny coniglio
bear: bear polar_bear | bear orso ours
tiger: tiger_face tiger | tiger tigre
lion: lion | leone
elephant: elephant mammoth | elephant elefant*
rhinoceros: rhinoceros | rhinoceros
camel: camel two_hump_camel | camel cammello
kangaroo: kangaroo | kangaroo canguro
deer: deer moose | deer fawn antilope
bat: bat | bat
chicken: chicken rooster | hen rooster gallo pollo
penguin: penguin | penguin pinguino*
eagle: eagle | eagle aquila acquila
owl: owl | owl gufo
swan: swan goose | cigno
dove: dove | colombo colombo2 dove peace
frog: frog | frog rana*
lizard: lizard | lizard lucertola lucertolona lucertolone ramarro
dinosaur: sauropod t_rex | dino dinosauro
dolphin: dolphin | dolphin
whale: spouting_whale whale | bluewhale whale orca
seal: seal | seal
fish: fish tropical_fish blowfish | fish gourami cichlid loach pescetto greyling angelfish
lobster: lobster shrimp | crawfish1 crawfish2
snail: snail | lumaca
butterfly: butterfly | butterfly farfalla
ant: ant | ant formichina formicona
bee: honeybee | bee bee1 bee2 bee3 abeille ape wasp
ladybird: lady_beetle | ladybug coccinella coccinelle coccinellona
spider: spider | spider ragno ragnetto
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
corn: ear_of_corn | corn pannocchia
pepper: hot_pepper bell_pepper | pepper paprika peperoncino cayennepepperrevisited
onion: onion garlic | onion aglio
bread: bread baguette_bread | bread
croissant: croissant | croissant cornetto
hamburger: hamburger | hamburger burger
pizza: pizza | pizza
fries: french_fries | fries
bacon: bacon | bacon
egg: egg | egg eggs uovo
cake: birthday_cake shortcake | cake torta gateau
muffin: cupcake | muffin*
ice cream: soft_ice_cream ice_cream shaved_ice | cone* glace gelato
pancakes: pancakes | pancake pancakes
candy: candy lollipop | candy lollipop
milk: glass_of_milk | milk
pumpkin: jack_o_lantern | pumpkin pumpkin2 zucca
soup: bowl_with_spoon steaming_bowl | soup bowl
""",
    "plant": """
mushroom: mushroom brown_mushroom | mushroom champignon toadstool
flower: hibiscus blossom white_flower cherry_blossom tulip rose sunflower | flower* fiore \
daisy daff* sakura rose rosa?
tree: deciduous_tree evergreen_tree palm_tree christmas_tree | tree albero arbre evergreen \
xmas palmtree
cactus: cactus | cactus cacuts
leaf: fallen_leaf maple_leaf leaf_fluttering_in_wind | leaf foglie
clover: four_leaf_clover shamrock | shamrock
""",
    "vehicle": """
car: automobile sport_utility_vehicle oncoming_automobile taxi racing_car police_car | car \
redcar dodge hummer toyota sportcar formula
truck: delivery_truck articulated_lorry pickup_truck fire_engine ambulance | truck engine \
ambulans ambulanza
bus: bus oncoming_bus trolleybus minibus | bus bus1 bus2
train: locomotive train high_speed_train bullet_train metro | train
tram: tram tram_car light_rail | tram tramway
bicycle: bicycle | bicycle bicicletta bike vtt
motorcycle: motorcycle motor_scooter | motorcycle
airplane: airplane small_airplane | airplane aircraft plane
sailboat: sailboat | sailboat
ship: ship passenger_ship ferry motor_boat speedboat | ship boat trawler
""",
    "clothing": """
hat: woman_s_hat top_hat billed_cap graduation_cap | hat fedora sombrero tophat cap
crown: crown | crown
shirt: t_shirt woman_s_clothes | shirt camicia
shoe: man_s_shoe running_shoe hiking_boot | shoe shoes boot
sunglasses: sunglasses glasses goggles | sunglasses glasses
handbag: handbag purse clutch_bag | borsetta borsa tote
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
saw: carpentry_saw | saw sega utensile
scissors: scissors | scissors
key: key old_key | key chiave
padlock: locked unlocked | lock padlock
magnifier: magnifying_glass_tilted_left | magnifying magnifing magnificator mag?
sword: crossed_swords | sword longsword katana
pencil: pencil crayon | pencil
pen: pen fountain_pen black_nib | pen
paintbrush: paintbrush | brush pennello
gear: gear | cog engrenagem ruota
compass: compass | compass bussola
""",
    "toy": """
football: soccer_ball | soccer football_ball
baseball: baseball | baseball basebalm
tennis racket: tennis ping_pong badminton | racket racquets
volleyball: volleyball | volley
dartboard: bullseye | dartboard target
balloon: balloon | balloon* baloon*
die: game_die | dice
teddy: teddy_bear | teddy teddybear
""",
    "building": """
house: house house_with_garden derelict_house | house casa chalet pinkhome*
castle: castle japanese_castle | fort
factory: factory | factory
tower: tokyo_tower | eiffel
tent: tent camping | tenda
""",
    "device": """
telephone: telephone telephone_receiver mobile_phone | telephone phone cellular handphone cell
camera: camera camera_with_flash video_camera movie_camera | camera camcorder telecamera cinepresa
television: television | television
computer: desktop_computer laptop | computer computer1 computer2 workstation desktop monitor \
lcd laptop
printer: printer | printer stampante laserprinter
light bulb: light_bulb | lightbulb bulb
joystick: joystick video_game | joystick gameboy
disc: optical_disk dvd | cd compact disc
""",
    "household": """
chair: chair seat | chair sedia poltrona
table: | table tavolo
clock: alarm_clock mantelpiece_clock stopwatch | clock clock01 clock04 orologio cronometro
hourglass: hourglass_done hourglass_not_done | clessidra sandglass
umbrella: umbrella closed_umbrella | umbrella
teapot: teapot | teapot teiera
cup: teacup_without_handle hot_beverage | mug cuppa tazza teacup coffee
bottle: bottle_with_popping_cork baby_bottle | bottle bottiglia biberon
box: package | box scatolone
book: closed_book green_book blue_book open_book | book libro
newspaper: newspaper rolled_up_newspaper | newspaper
envelope: envelope | envelope envelop lettera
suitcase: luggage briefcase | suitcase valigie
""",
}

# Matched by name, but not what the name says: empty, a whole scene, a sign, or another thing.
_DROPPED = """
airplane cake_and_candle_anton_fr_01 eris_apple_nurbldoff_01
scodella_gatto_architett_01 cat_scrathing_post_benji_01 set_gatti cani_e_gatti_cat_and_do_01
toro_al_tramonto_archite_01 toros_01 squeek_peterm_ mhooo_peterm_ jonathon_s_duck_01 Anatra
sleeping_bear_under_sta_01 sleeping_bear_under_sta_02 sleeping_bear_under_sta_03 ape_miele
duck_yellow_ii_kurt_cagl_ cigno_di_notte_nella_pa_01 cartoon_apple_k_yager_01
zanzara_cretina_architet_01 grapes_leif_lodahl_02 tile_orange_gabriel_lo_i_01 potato_chips
corn_dog onion_rings Cornetto burger_linda_kim_01 bread_and_wine_mark_near_ bowl_chaspo_
macchina_caffe_architett_01 wine_corks_ganson flower-pot_01 flower-pot_02 leaf_01 bus_lane
bus_opposite buses_and_bikes soviet_shuttle_mo_01 departing_plane_01 shoe_print_01
the_mad_little_ship_core_01 boat_jarno_vasamaa1 boat_jarno_vasamaa_ guanti__e_pinze tree_02
trumpet_harmon_mute__ganson trumpet_straight_mute_ganson trumpet_herald__ganson no_buses
utensili_chiave_e_cacci_01 scissors_RPSWB scrub_brush_michael_moor_ Pittura_con_pennello
bucket_michael_moore_ note_with_paperclip_nicu_01 note_with_paperclip_nicu_02 pie_pumpkin
flaming_soccer_ball_01 baseball_bat_ganson baseball_glove_ganson six-sided_dice_faces_lio_01
symbol_for_a_church_on__01 telephone_lutte_incendi_01 telephone_sauvetage_yves_01 pie_apple
table_tennis_omar_abo-na_01 table_tennis_racquets_o_01r sedia_e_ombrelloni_archi_01 egg_muffin
soft_blue_couch_jonadab_01 lampada_di_aladino_alad_01 jingle_bells_01 aiga_bus_ pie_cherry
sandglass_vermin_ cestino_pieno_architetto_01 cestino_vuoto_architetto_01 bus_symbol_black_01
valigie_bags_architetto__01 Computer-Keyboardlayout-de computer_keyboard_01 apple_juice_box
orange_juice_box no_cycles island_palm_and_the_sun_01 man_w_umbrella rubber_ducks_ganson
wedding_rings_jarno_vas1 cannabis_leaf_anonymous_ habanero_pepper_1_simpl_01 paprika_mateya_01
pear_jean-victor_balin_01r tree_branches_and_roots_01 magic_hat_and_wand_nath_r
dog_on_leash_gerald_g._02 lowtec_house_christoph_b_01 house_fudriot_omic.ch_01 pizza_cheese
Attaccapanni_con_vestito_da_donna tpt_cubf_ganson piano_theory__ganson piano_theory_ganson1
"""
DROPPED = frozenset(_DROPPED.split())


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
