# Makes predicted_measured.svg and predicted_measured.png from predicted_measured.csv:  gnuplot predicted_measured.gp
set datafile separator comma
set encoding utf8
set border 3 lc rgb '#606060'
set tics nomirror out tc rgb '#303030'
set grid lc rgb '#e4e4e4' lt 1
set key above left horizontal noenhanced Left reverse samplen 1.5 width 1 tc rgb '#303030'
set xlabel 'predicted accuracy (%)'
set ylabel 'measured accuracy (%)'
set xrange [88.5016:93.8584]
set yrange [88.5016:93.8584]
set terminal svg size 760,460 font 'Helvetica,Arial,sans-serif,13' background rgb 'white' name 'predicted_measured'
set output 'predicted_measured.svg'
plot 'predicted_measured.csv' using (strcol(1) eq 'random' ? $2 : NaN):3 with points pt 6 ps 0.5 lc rgb '#8c8c8c' title 'random', \
     'predicted_measured.csv' using (strcol(1) eq 'uniform' ? $2 : NaN):3 with points pt 4 ps 0.5 lc rgb '#009e73' title 'uniform bits', \
     'predicted_measured.csv' using (strcol(1) eq 'islands' ? $2 : NaN):3 with points pt 7 ps 0.45 lc rgb '#0072b2' title 'islands', \
     x with lines dt 2 lc rgb '#606060' notitle
set terminal pngcairo size 1520,920 font 'Helvetica,13' fontscale 1.7 linewidth 2 pointscale 2
set output 'predicted_measured.png'
replot
set output
